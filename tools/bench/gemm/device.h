// What measures a product on one device: its contestants and its peak. The CPU and the GPU each are
// one; the study, its statistics and its reports are the same for both.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tools/bench/gemm/shapes.h"
#include "tools/support/args.h"

namespace qe::tools {

enum class GemmKind : std::uint8_t {
  kOurs,         // bytes to bytes, scales, bias and requantization included
  kAlone,        // the product, whatever it leaves its sums in
  kRequantized,  // the same work as ours
  kHalf,         // 16-bit floats
};

struct GemmContestant {
  std::string name;    // "qe", "oneDNN", "cuBLASLt"
  std::string detail;  // kernel, algorithm, types
  GemmKind kind = GemmKind::kOurs;
  // Runs one timed block and returns the microseconds of one product, the median of the block.
  std::function<double()> block;
};

struct GemmPeak {
  double tops = 0.0;         // 10^12 integer operations a second; 0 where it is not known
  double clock_mhz = 0.0;    // at which
  std::string invalid = {};  // why shares of it must not be quoted; empty if they may
};

struct GemmOptions {
  SharedFlags flags = {};
  int pairs = 15;
  bool pin = true;
  bool compare = true;       // with the device's rivals
  bool all_kernels = false;  // every kernel of ours, not the chosen one alone
};

class GemmDevice {
 public:
  virtual ~GemmDevice() = default;

  virtual std::string description() const = 0;
  // Ours first. What they work on lives until the next call.
  virtual std::vector<GemmContestant> prepare(const GemmShape& shape) = 0;
  virtual void sample_peak() = 0;     // called between the blocks of a pair
  virtual GemmPeak peak() const = 0;  // of the samples since prepare()
  // Whether ours and a rival's results of the last shape were the same bytes; "" if not compared.
  virtual std::string agreement() { return {}; }
};

// Throws UsageError where this build has no rival to compare with.
std::unique_ptr<GemmDevice> cpu_gemm_device(const GemmOptions& options);
// Throws DeviceError, UsageError for a device that is not there.
std::unique_ptr<GemmDevice> cuda_gemm_device(int index, const GemmOptions& options);

}  // namespace qe::tools
