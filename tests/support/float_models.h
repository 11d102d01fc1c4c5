// Whether the library under test runs float models. A build without oneDNN refuses them
// (UnsupportedError, tests/engine/plan_test.cpp); what needs them skips there and says so.
#pragma once

#include <string>

#include <doctest/doctest.h>

#include "kernels/onednn/sgemm.h"

namespace qe::test {

inline bool runs_float_models() { return kernels::onednn::available(); }

// Whether `what` is to be left out in this build, which is then said.
inline bool skip_float(const std::string& what) {
  if (runs_float_models()) return false;
  MESSAGE("skipped: " << what << ": this build runs integer models only");
  return true;
}

}  // namespace qe::test
