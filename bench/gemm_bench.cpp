// Speed of the quantized matrix product against what the machine can do in the same moment: every
// sample of the product lies between samples of the register-only peak (and, where weights stream
// from memory, of the read rate), on the same pinned threads. Ratios are medians over the pairs;
// absolute times of a shared machine are not worth quoting. Prints a Markdown table.
#include <qe/machine.h>
#include <sys/mman.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <barrier>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "kernels/kernel_table.h"

namespace {

using qe::kernels::GemmArgs;
using qe::kernels::KernelTable;
using Clock = std::chrono::steady_clock;

struct Case {
  const char* name;
  int m, n, k;
  bool stream;  // another weight matrix each time, from a set far larger than the caches
  bool f32;     // f32 result with row scales and residual instead of requantized bytes
};

constexpr Case kCases[] = {
    {"warm 768x768", 64, 768, 768, false, false},
    {"warm 768x768", 128, 768, 768, false, false},
    {"warm 768x768", 384, 768, 768, false, false},
    {"warm 768x768, f32", 128, 768, 768, false, true},
    {"warm 3072x768", 128, 3072, 768, false, false},
    {"warm 768x3072", 128, 768, 3072, false, false},
    {"warm 64x64, f32", 128, 64, 64, false, true},
    {"warm 64x128", 128, 64, 128, false, false},
    {"warm 64x576", 196, 64, 576, false, false},
    {"stream 768x768", 1, 768, 768, true, false},
    {"stream 768x768", 2, 768, 768, true, false},
    {"stream 768x768", 4, 768, 768, true, false},
    {"stream 768x768", 6, 768, 768, true, false},
    {"stream 768x768", 8, 768, 768, true, false},
    {"stream 768x768", 12, 768, 768, true, false},
    {"stream 768x768", 16, 768, 768, true, false},
    {"stream 768x768", 32, 768, 768, true, false},
    {"stream 768x768", 64, 768, 768, true, false},
    {"stream 768x768", 128, 768, 768, true, false},
};

struct FreeDeleter {
  void operator()(void* memory) const { std::free(memory); }
};
template <class T>
using Buffer = std::unique_ptr<T[], FreeDeleter>;

template <class T>
Buffer<T> make_buffer(std::size_t count) {
  // Large pages where the system gives them, as for the weights of a model.
  constexpr std::size_t kPage = 2 << 20;
  const std::size_t bytes = (count * sizeof(T) + kPage - 1) / kPage * kPage;
  auto* memory = static_cast<T*>(std::aligned_alloc(kPage, bytes));
  if (!memory) {
    throw std::bad_alloc();
  }
  madvise(memory, bytes, MADV_HUGEPAGE);
  std::fill_n(memory, count, T{});
  return Buffer<T>(memory);
}

std::size_t l3_bytes() {
  constexpr long kFallback = 32L << 20;
  const long reported = sysconf(_SC_LEVEL3_CACHE_SIZE);
  return static_cast<std::size_t>(reported > 0 ? reported : kFallback);
}

// One case's operands; weights of one or of many matrices, all random.
class Problem {
 public:
  explicit Problem(const Case& c)
      : case_(c),
        matrix_bytes_(qe::kernels::packed_bytes(c.n, c.k)),
        matrices_(c.stream ? 4 * l3_bytes() / matrix_bytes_ + 2 : 1),
        a_(make_buffer<std::uint8_t>(static_cast<std::size_t>(c.m) * c.k)),
        b_(make_buffer<std::int8_t>(matrices_ * matrix_bytes_)),
        scale_(make_buffer<float>(c.n)),
        row_scale_(make_buffer<float>(c.m)),
        bias_(make_buffer<float>(c.n)),
        residual_(make_buffer<float>(static_cast<std::size_t>(c.m) * c.n)),
        f32_(make_buffer<float>(static_cast<std::size_t>(c.m) * c.n)),
        u8_(make_buffer<std::uint8_t>(static_cast<std::size_t>(c.m) * c.n)) {
    std::mt19937 random(1);
    std::generate_n(a_.get(), c.m * c.k, [&] { return static_cast<std::uint8_t>(random()); });
    std::generate_n(b_.get(), matrix_bytes_, [&] { return static_cast<std::int8_t>(random()); });
    for (std::size_t i = 1; i < matrices_; ++i) {
      std::copy_n(b_.get(), matrix_bytes_, b_.get() + i * matrix_bytes_);
    }
    std::fill_n(scale_.get(), c.n, 1e-4F);
    std::fill_n(row_scale_.get(), c.m, 0.5F);
    std::fill_n(bias_.get(), c.n, 128.0F);
  }

  GemmArgs args(std::size_t turn, int first_panel, int last_panel) const {
    GemmArgs args{};
    args.a = a_.get();
    args.lda = case_.k;
    args.b = b_.get() + turn % matrices_ * matrix_bytes_;
    args.m = case_.m;
    args.n = case_.n;
    args.k = case_.k;
    args.first_panel = first_panel;
    args.last_panel = last_panel;
    const std::span<const std::byte> next = weights(turn + 1, first_panel);
    args.next_b = reinterpret_cast<const std::int8_t*>(next.data());
    args.next_bytes =
        std::min<std::ptrdiff_t>(std::ssize(next), std::ptrdiff_t{qe::kernels::kPanelWidth} *
                                                       (last_panel - first_panel) * case_.k);
    args.column_scale = scale_.get();
    args.bias = bias_.get();
    if (case_.f32) {
      args.row_scale = row_scale_.get();
      args.residual = residual_.get();
      args.ld_residual = case_.n;
      args.out_f32 = f32_.get();
      args.ld_out_f32 = case_.n;
    } else {
      args.out_u8 = u8_.get();
      args.ld_out_u8 = case_.n;
    }
    return args;
  }
  // The packed weights of args(turn, first_panel, ...) from the first panel on.
  std::span<const std::byte> weights(std::size_t turn, int first_panel) const {
    const std::size_t skipped = std::size_t{qe::kernels::kPanelWidth} * first_panel * case_.k;
    return std::as_bytes(std::span(b_.get() + turn % matrices_ * matrix_bytes_, matrix_bytes_))
        .subspan(skipped);
  }

 private:
  Case case_;
  std::size_t matrix_bytes_;
  std::size_t matrices_;
  Buffer<std::uint8_t> a_;
  Buffer<std::int8_t> b_;
  Buffer<float> scale_, row_scale_, bias_, residual_, f32_;
  Buffer<std::uint8_t> u8_;
};

struct Sample {
  double gmacs = 0;  // of the product
  qe::PeakSample peak;
  double read = 0;  // GB/s
};

struct Settings {
  int pairs = 15;
  int threads = 1;
  double seconds = 0.004;  // each part of a sample
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// The median time of a call, over about the time of a sample: calls that the system interrupted
// drop out, as they do from the peak. A streaming case makes at least 64 calls, each on weights
// that were last read a whole set ago.
template <class Call>
double median_seconds(const Case& c, const Settings& settings, Call call) {
  constexpr std::size_t kLeastCalls = 64;
  std::vector<double> seconds;
  const Clock::time_point start = Clock::now();
  Clock::time_point before = start;
  do {
    call();
    const Clock::time_point after = Clock::now();
    seconds.push_back(std::chrono::duration<double>(after - before).count());
    before = after;
  } while (std::chrono::duration<double>(before - start).count() < settings.seconds ||
           (c.stream && seconds.size() < kLeastCalls));
  return median(std::move(seconds));
}

// One thread's samples; the threads start each part together and each multiplies its own panels.
std::vector<Sample> sample_thread(const Case& c, const Problem& problem, const KernelTable& table,
                                  const Settings& settings, std::barrier<>& start, int thread) {
  qe::pin_to_cpu(thread);
  const int panels = qe::kernels::panel_count(c.n);
  const int first = panels * thread / settings.threads;
  const int last = panels * (thread + 1) / settings.threads;
  const int columns =
      std::min(last * qe::kernels::kPanelWidth, c.n) - first * qe::kernels::kPanelWidth;
  const double macs = static_cast<double>(c.m) * columns * c.k;
  std::vector<Sample> samples(settings.pairs + 1);
  std::size_t turn = 0;
  for (Sample& sample : samples) {
    start.arrive_and_wait();
    sample.peak = qe::measure_int8_peak(table.isa, settings.seconds);
    if (c.stream) {
      start.arrive_and_wait();
      const std::size_t bytes = static_cast<std::size_t>(columns) * c.k;
      sample.read =
          static_cast<double>(bytes) /
          median_seconds(
              c, settings,
              [&] { qe::measure_read_bandwidth(problem.weights(turn++, first).first(bytes), 0); }) *
          1e-9;
    }
    start.arrive_and_wait();
    sample.gmacs =
        macs / median_seconds(c, settings, [&] { table.gemm(problem.args(turn++, first, last)); }) *
        1e-9;
  }
  samples.erase(samples.begin());  // warm-up
  return samples;
}

void run_case(const Case& c, const KernelTable& table, const Settings& settings) {
  const Problem problem(c);
  std::barrier<> start(settings.threads);
  std::vector<std::vector<Sample>> samples(settings.threads);
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < settings.threads; ++t) {
      threads.emplace_back(
          [&, t] { samples[t] = sample_thread(c, problem, table, settings, start, t); });
    }
  }
  std::vector<double> gmacs, per_cycle, of_peak, peak, peak_per_cycle, read, of_roof;
  for (int i = 0; i < settings.pairs; ++i) {
    Sample sum;
    double ghz = 0;
    for (const std::vector<Sample>& one : samples) {
      sum.gmacs += one[i].gmacs;
      sum.peak.gmacs += one[i].peak.gmacs;
      sum.read += one[i].read;
      ghz += one[i].peak.ghz;
    }
    gmacs.push_back(sum.gmacs);
    per_cycle.push_back(sum.gmacs / ghz);
    peak.push_back(sum.peak.gmacs);
    peak_per_cycle.push_back(sum.peak.gmacs / ghz);
    of_peak.push_back(100 * sum.gmacs / sum.peak.gmacs);
    read.push_back(sum.read);
    const double roof = c.stream ? std::min(sum.peak.gmacs, c.m * sum.read) : sum.peak.gmacs;
    of_roof.push_back(100 * sum.gmacs / roof);
  }
  std::printf("| %-17s | %4d | %d | %5.0f | %5.1f | %5.0f | %5.1f | %5.1f | %5.1f | %5.1f |\n",
              c.name, c.m, settings.threads, median(gmacs), median(per_cycle), median(peak),
              median(peak_per_cycle), median(of_peak), median(read), median(of_roof));
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Speed of the quantized matrix product against the machine's peak");
  Settings settings;
  std::string isa;
  std::string filter;
  int most_threads = std::min(2, static_cast<int>(std::thread::hardware_concurrency()));
  app.add_option("--pairs", settings.pairs, "interleaved pairs a case")->check(CLI::Range(1, 1000));
  app.add_option("--threads", most_threads, "largest number of threads")->check(CLI::Range(1, 64));
  app.add_option("--isa", isa, "instruction set; the fastest by default");
  app.add_option("--filter", filter, "only cases whose name contains this");
  CLI11_PARSE(app, argc, argv);

  const KernelTable* table = nullptr;
  for (const qe::kernels::Isa available : qe::kernels::available_isas()) {
    if (isa.empty() || isa == qe::kernels::isa_name(available)) {
      table = &qe::kernels::kernel_table(available);
    }
  }
  if (!table) {
    std::fprintf(stderr, "gemm_bench: no instruction set '%s' here\n", isa.c_str());
    return 2;
  }
  std::printf("kernels: %s, %d pairs\n\n", table->name, settings.pairs);
  std::printf(
      "| case | rows | threads | GMAC/s | MAC/cycle | peak GMAC/s | peak MAC/cycle | %% of peak | "
      "read GB/s | %% of roof |\n|---|---|---|---|---|---|---|---|---|---|\n");
  for (const Case& c : kCases) {
    if (std::string(c.name).find(filter) == std::string::npos) {
      continue;
    }
    const int useful = std::min(most_threads, qe::kernels::panel_count(c.n));
    for (settings.threads = 1; settings.threads <= useful; ++settings.threads) {
      run_case(c, *table, settings);
    }
  }
  return 0;
}
