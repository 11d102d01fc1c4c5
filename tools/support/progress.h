// One progress line on standard error, rewritten in place. Silent unless standard error is a
// terminal; without colour if NO_COLOR is set (no-color.org).
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include "tools/support/args.h"

namespace qe::tools {

class Progress {
 public:
  // `total` 0: not known; the line then counts without a percentage.
  Progress(std::string label, std::size_t total, const SharedFlags& flags);
  ~Progress();  // erases the line
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Redraws at most ten times a second.
  void update(std::size_t done);

 private:
  std::string label_;
  std::size_t total_;
  bool visible_;
  bool colour_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point next_draw_;
};

// A remark for the reader on standard error; nothing under --quiet.
void note(const SharedFlags& flags, const std::string& text);

}  // namespace qe::tools
