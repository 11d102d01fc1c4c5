// The list of instruction sets and the tables behind it.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "kernels/kernel_table.h"

using namespace qe::kernels;

TEST_CASE("the reference comes first and better instruction sets follow in order") {
  const std::vector<Isa> isas = available_isas();
  REQUIRE(!isas.empty());
  CHECK(isas.front() == Isa::kReference);
  CHECK(std::is_sorted(isas.begin(), isas.end()));
  CHECK(std::adjacent_find(isas.begin(), isas.end()) == isas.end());
  // A VNNI machine without AVX2 does not exist; the overlay relies on it.
  if (isas.back() >= Isa::kAvx512Vnni) {
    CHECK(std::count(isas.begin(), isas.end(), Isa::kAvx2) == 1);
  }
}

TEST_CASE("every table names itself and has every kernel") {
  for (const Isa isa : available_isas()) {
    const KernelTable& table = kernel_table(isa);
    CAPTURE(table.name);
    CHECK(table.isa == isa);
    CHECK(std::string(table.name) == isa_name(isa));
    CHECK((table.pack_weights != nullptr));
    CHECK((table.gemm != nullptr));
    CHECK((table.quantize_rows != nullptr));
    CHECK((table.layer_norm != nullptr));
    CHECK((table.embed != nullptr));
    CHECK((table.pack_keys != nullptr));
    CHECK((table.pack_values != nullptr));
    CHECK((table.softmax_u8 != nullptr));
    CHECK((table.bias_activation != nullptr));
    CHECK((table.softmax_f32 != nullptr));
  }
  CHECK(std::string(isa_name(Isa::kReference)) == "reference");
  CHECK(std::string(isa_name(Isa::kAvx2)) == "avx2");
  CHECK(std::string(isa_name(Isa::kAvx512Vnni)) == "avx512_vnni");
  CHECK(std::string(isa_name(Isa::kAmx)) == "amx");
}

TEST_CASE("each instruction set has a product of its own") {
  const KernelTable& reference = kernel_table(Isa::kReference);
  const KernelTable& avx2 = kernel_table(Isa::kAvx2);
  const KernelTable& vnni = kernel_table(Isa::kAvx512Vnni);
  CHECK((reference.gemm != avx2.gemm));
  CHECK((avx2.gemm != vnni.gemm));
  CHECK((vnni.gemm != kernel_table(Isa::kAmx).gemm));
}
