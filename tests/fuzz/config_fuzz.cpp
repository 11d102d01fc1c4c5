// Fuzz target: a config.json. Getters of all types are tried on its keys; printing what was read
// and reading it again must give the same text; the quantization scheme is interpreted.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include <qe/config.h>
#include <qe/error.h>

#include "loaders/quant_scheme.h"

namespace {

template <typename Call>
void attempt(Call call) {
  try {
    call();
  } catch (const qe::LoadError&) {
  }
}

// One getter for each key, chosen by its position: a wrong one is an exception, which is slow.
void try_getters(const qe::Config& config, int depth) {
  unsigned position = 0;
  for (const auto& [key, value] : config.items()) {
    const std::string& name = key;
    attempt([&] {
      switch (++position % 6) {
        case 0:
          config.integer(name, -5, 1'000'000);
          break;
        case 1:
          config.real(name, -1.0, 1e9);
          break;
        case 2:
          config.string(name);
          break;
        case 3:
          config.boolean(name);
          break;
        case 4:
          config.strings(name);
          break;
        default:
          if (depth < 3) try_getters(config.object(name), depth + 1);
      }
    });
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  attempt([&] {
    const qe::Config config = qe::Config::parse(text, "fuzz");
    if (qe::Config::parse(config.dump(), "again").dump() != config.dump()) std::abort();
    try_getters(config, 0);
    attempt([&] { qe::parse_quant_scheme(config); });
  });
  return 0;
}
