// The explicit list of instruction sets, their detection, and the overlay that fills each table:
// reference below AVX2 below AVX-512 VNNI below AMX. A new kernel is one more line in the table it
// speeds up.
#include "kernels/kernel_table.h"

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernels/isa_tables.h"

namespace qe::kernels {
namespace {

constexpr KernelTable reference_table() {
  KernelTable table{};
  table.isa = Isa::kReference;
  table.name = "reference";
  table.pack_weights = reference::pack_weights;
  table.gemm = reference::gemm;
  table.quantize_rows = reference::quantize_rows;
  table.layer_norm = reference::layer_norm;
  table.embed = reference::embed;
  table.pack_keys = reference::pack_keys;
  table.pack_values = reference::pack_values;
  table.softmax_u8 = reference::softmax_u8;
  table.bias_activation = reference::bias_activation;
  table.softmax_f32 = reference::softmax_f32;
  table.pack_depthwise = reference::pack_depthwise;
  table.depthwise = reference::depthwise;
  table.max_pool = reference::max_pool;
  table.channel_sums = reference::channel_sums;
  table.channel_mean = reference::channel_mean;
  table.scale_channels = reference::scale_channels;
  table.rescale = reference::rescale;
  table.add_bytes = reference::add_bytes;
  table.expand_image = reference::expand_image;
  return table;
}

constexpr KernelTable avx2_table() {
  KernelTable table = reference_table();
  table.isa = Isa::kAvx2;
  table.name = "avx2";
  table.pack_weights = avx2::pack_weights;
  table.gemm = avx2::gemm;
  table.quantize_rows = avx2::quantize_rows;
  table.layer_norm = avx2::layer_norm;
  table.embed = avx2::embed;
  table.pack_keys = avx2::pack_keys;
  table.pack_values = avx2::pack_values;
  table.softmax_u8 = avx2::softmax_u8;
  table.bias_activation = avx2::bias_activation;
  table.softmax_f32 = avx2::softmax_f32;
  table.depthwise = avx2::depthwise;
  table.max_pool = avx2::max_pool;
  table.channel_sums = avx2::channel_sums;
  table.channel_mean = avx2::channel_mean;
  table.scale_channels = avx2::scale_channels;
  table.rescale = avx2::rescale;
  table.add_bytes = avx2::add_bytes;
  table.expand_image = avx2::expand_image;
  return table;
}

constexpr KernelTable avx512_vnni_table() {
  KernelTable table = avx2_table();
  table.isa = Isa::kAvx512Vnni;
  table.name = "avx512_vnni";
  table.pack_weights = avx512_vnni::pack_weights;
  table.gemm = avx512_vnni::gemm;
  table.quantize_rows = avx512_vnni::quantize_rows;
  table.layer_norm = avx512_vnni::layer_norm;
  table.embed = avx512_vnni::embed;
  table.pack_keys = avx512_vnni::pack_keys;
  table.pack_values = avx512_vnni::pack_values;
  table.softmax_u8 = avx512_vnni::softmax_u8;
  table.bias_activation = avx512_vnni::bias_activation;
  table.softmax_f32 = avx512_vnni::softmax_f32;
  table.depthwise = avx512_vnni::depthwise;
  table.max_pool = avx512_vnni::max_pool;
  table.channel_sums = avx512_vnni::channel_sums;
  table.channel_mean = avx512_vnni::channel_mean;
  table.scale_channels = avx512_vnni::scale_channels;
  table.rescale = avx512_vnni::rescale;
  table.add_bytes = avx512_vnni::add_bytes;
  return table;
}

constexpr KernelTable amx_table() {
  KernelTable table = avx512_vnni_table();
  table.isa = Isa::kAmx;
  table.name = "amx";
  table.gemm = amx::gemm;
  return table;
}

constexpr KernelTable kReferenceTable = reference_table();
constexpr KernelTable kAvx2Table = avx2_table();
constexpr KernelTable kAvx512VnniTable = avx512_vnni_table();
constexpr KernelTable kAmxTable = amx_table();

// The compiler's run-time check covers both the CPU and the register state the system saves. Every
// CPU with AVX2 has F16C, which clang 14 cannot name here.
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

bool has_avx512_vnni() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vnni");
}

// Tiles are 8 KB of state that Linux saves only for processes that ask for it (arch_prctl(2)). An
// older kernel or one without room on the signal stack refuses.
bool ask_for_tiles() {
#ifdef SYS_arch_prctl
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;               // XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

bool has_amx() {
  static const bool has = [] {
    constexpr unsigned kAmxTile = 1U << 24;
    constexpr unsigned kAmxInt8 = 1U << 25;
    unsigned eax = 0;
    unsigned ebx = 0;
    unsigned ecx = 0;
    unsigned edx = 0;
    const bool in_cpu = __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 &&
                        (edx & kAmxTile) != 0 && (edx & kAmxInt8) != 0;
    return in_cpu && has_avx512_vnni() && ask_for_tiles();
  }();
  return has;
}

}  // namespace

const char* isa_name(Isa isa) { return kernel_table(isa).name; }

std::vector<Isa> available_isas() {
  std::vector<Isa> isas = {Isa::kReference};
  if (has_avx2()) {
    isas.push_back(Isa::kAvx2);
  }
  if (has_avx512_vnni()) {
    isas.push_back(Isa::kAvx512Vnni);
  }
  if (has_amx()) {
    isas.push_back(Isa::kAmx);
  }
  return isas;
}

const KernelTable& kernel_table(Isa isa) {
  switch (isa) {
    case Isa::kAmx:
      return kAmxTable;
    case Isa::kAvx512Vnni:
      return kAvx512VnniTable;
    case Isa::kAvx2:
      return kAvx2Table;
    case Isa::kReference:
      break;
  }
  return kReferenceTable;
}

}  // namespace qe::kernels
