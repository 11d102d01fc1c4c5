// The progress line: carriage return, text, erase to the end of the line.
#include "tools/support/progress.h"

#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <utility>

namespace qe::tools {

Progress::Progress(std::string label, std::size_t total, const SharedFlags& flags)
    : label_(std::move(label)),
      total_(total),
      visible_(!flags.quiet && !flags.no_progress && isatty(STDERR_FILENO) == 1),
      next_draw_(std::chrono::steady_clock::now()) {
  const char* const no_color = std::getenv("NO_COLOR");
  colour_ = no_color == nullptr || *no_color == '\0';
}

Progress::~Progress() {
  if (drawn_) std::cerr << "\r\x1b[K" << std::flush;
}

void Progress::update(std::size_t done) {
  if (!visible_) return;
  const auto now = std::chrono::steady_clock::now();
  if (now < next_draw_) return;
  next_draw_ = now + std::chrono::milliseconds(100);
  std::string text = label_ + " " + std::to_string(done);
  if (total_ > 0) {
    text += "/" + std::to_string(total_) + " (" + std::to_string(100 * done / total_) + " %)";
  }
  if (colour_) text = "\x1b[36m" + text + "\x1b[0m";
  std::cerr << "\r" << text << "\x1b[K" << std::flush;
  drawn_ = true;
}

void note(const SharedFlags& flags, const std::string& text) {
  if (!flags.quiet) std::cerr << text << "\n";
}

}  // namespace qe::tools
