// What is read of --variant, and what is refused.
#include <limits>
#include <string>

#include <doctest/doctest.h>

#include <qe/error.h>

#include "tools/bench/variant.h"

namespace qe::tools {
namespace {

TEST_CASE("variants change what they name and nothing else") {
  const GpuOptions usual;
  const Variant apart = parse_variant("overlap=off");
  CHECK(apart.text == "overlap=off");
  CHECK_FALSE(apart.gpu.overlap);
  CHECK(apart.gpu.row_bytes_from == usual.row_bytes_from);
  CHECK(apart.gpu.byte_heads_from == usual.byte_heads_from);
  const Variant rows = parse_variant("byte-heads-from=never,overlap=on,row-bytes-from=17");
  CHECK(rows.gpu.overlap);
  CHECK(rows.gpu.row_bytes_from == 17);
  CHECK(rows.gpu.byte_heads_from == std::numeric_limits<int>::max());
}

TEST_CASE("variants that say nothing clear are refused, with what could be said") {
  for (const std::string text :
       {"", "overlap", "overlap=", "overlap=yes", "overlap=1", "row-bytes-from=0",
        "row-bytes-from=-1", "row-bytes-from=1x", "row-bytes-from=99999999999", "speed=high",
        "overlap=on,", ",overlap=on", "overlap=on,overlap=off", " overlap=on", "Overlap=on"}) {
    CAPTURE(text);
    try {
      parse_variant(text);
      FAIL("not refused");
    } catch (const UsageError& error) {
      const std::string what = error.what();
      CHECK(what.find("--variant") != std::string::npos);
      CHECK(what.find(variant_help()) != std::string::npos);
    }
  }
}

}  // namespace
}  // namespace qe::tools
