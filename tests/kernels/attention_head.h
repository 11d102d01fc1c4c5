// The shape of a head, for the two attention tests.
#pragma once

#include <cstddef>

namespace qe::test {

struct Head {
  int tokens;
  int head_dim;
  std::ptrdiff_t ld;
};

}  // namespace qe::test
