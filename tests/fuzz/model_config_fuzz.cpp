// Fuzz target: what a config.json says of its architecture. Every network that a config describes
// is built as an outline, without weights: it is refused with a LoadError, or its graph holds.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <qe/config.h>
#include <qe/error.h>
#include <qe/model.h>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    qe::build_model({.config = qe::Config::parse(text, "fuzz"), .outline = true});
  } catch (const qe::LoadError&) {
  }
  return 0;
}
