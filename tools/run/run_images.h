// qe-run on images.
#pragma once

#include <string>
#include <vector>

#include "tools/support/args.h"
#include "tools/support/dataset.h"
#include "tools/support/output.h"

namespace qe::tools {

struct ImageRequest {
  std::string model;
  std::vector<std::string> images;  // files, and directories of them
  int top = 5;
  OnError on_error = OnError::kFail;
  SharedFlags flags;
};

// Answers in the order of the images, which other threads decode meanwhile; returns the exit code.
// An image that cannot be used ends the run with its DataError once those before it are answered;
// under kSkip it is named on standard error, and all of them are counted at the end.
int run_images(const ImageRequest& request, Output& output);

}  // namespace qe::tools
