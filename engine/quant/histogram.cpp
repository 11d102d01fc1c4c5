// Histogram over the top bits of the float format, and the ways to choose a range from it.
#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "engine/quant/entropy_range.h"

#include <qe/quantize.h>

namespace qe {
namespace {

// Magnitudes from 2^-24 to 2^24 in 128 steps an octave, mirrored for negative values; what is
// smaller counts as zero, what is larger falls into the last bin.
constexpr int kMantissaBits = 7;
constexpr int kLowExponent = -24;
constexpr int kHighExponent = 24;
constexpr int kSide = (kHighExponent - kLowExponent) << kMantissaBits;
constexpr int kZeroBin = kSide;
constexpr int kBins = 2 * kSide + 1;

int magnitude_bin(float magnitude) {
  const auto bits = std::bit_cast<std::uint32_t>(magnitude) >> (23 - kMantissaBits);
  const int base = (127 + kLowExponent) << kMantissaBits;
  return std::clamp(static_cast<int>(bits) - base, -1, kSide - 1);
}

int bin_of(float value) {
  const int magnitude = magnitude_bin(std::fabs(value));
  if (magnitude < 0) return kZeroBin;
  return value < 0 ? kZeroBin - 1 - magnitude : kZeroBin + 1 + magnitude;
}

// The value a share of `part` into a bin, counted away from zero.
double inside(int bin, double part) {
  if (bin == kZeroBin) return 0;
  const int magnitude = bin > kZeroBin ? bin - kZeroBin - 1 : kZeroBin - 1 - bin;
  const int octave = kLowExponent + (magnitude >> kMantissaBits);
  const double fraction = ((magnitude & ((1 << kMantissaBits) - 1)) + part) / (1 << kMantissaBits);
  const double value = std::ldexp(1.0 + fraction, octave);
  return bin > kZeroBin ? value : -value;
}

double center(int bin) { return inside(bin, 0.5); }

Range with_zero(double low, double high, bool symmetric) {
  low = std::min(low, 0.0);
  high = std::max(high, 0.0);
  if (symmetric) {
    high = std::max(high, -low);
    low = -high;
  }
  return {static_cast<float>(low), static_cast<float>(high)};
}

Range percentile_range(const std::vector<std::uint64_t>& bins, std::uint64_t count, Range full,
                       bool symmetric) {
  constexpr std::uint64_t kTail = 40000;  // one in so many at each end
  const std::uint64_t tail = count / kTail;
  const auto edge = [&](int from, int step) {
    std::uint64_t seen = 0;
    for (int bin = from; bin >= 0 && bin < kBins; bin += step) {
      seen += bins[static_cast<std::size_t>(bin)];
      if (seen > tail) return center(bin);
    }
    return 0.0;
  };
  const double low = std::max<double>(edge(0, 1), full.minimum);
  const double high = std::min<double>(edge(kBins - 1, -1), full.maximum);
  return with_zero(low, high, symmetric);
}

// Squared error of an 8-bit grid over [range]: rounding inside, distance outside.
double grid_error(const std::vector<std::pair<double, double>>& points, Range range) {
  const double step = (double{range.maximum} - range.minimum) / 255.0;
  double error = 0;
  for (const auto& [value, weight] : points) {
    const double clipped = std::clamp<double>(value, range.minimum, range.maximum);
    const double outside = value - clipped;
    // A value smaller than a step rounds to zero or one step: its error is at most itself.
    const double inside = std::min(step * step / 12.0, value * value);
    error += weight * (outside == 0.0 ? inside : outside * outside);
  }
  return error;
}

Range mse_range(const std::vector<std::uint64_t>& bins, Range full, bool symmetric) {
  std::vector<std::pair<double, double>> points;
  for (int bin = 0; bin < kBins; ++bin) {
    const std::uint64_t n = bins[static_cast<std::size_t>(bin)];
    if (n > 0) points.emplace_back(center(bin), static_cast<double>(n));
  }
  // The two ends move in turn: one-sided values (GELU) must not lose their short side when the long
  // one is clipped. A symmetric range has one end to move.
  Range best = full;
  double best_error = grid_error(points, full);
  const auto try_range = [&](Range candidate) {
    const double error = grid_error(points, candidate);
    if (error < best_error) {
      best_error = error;
      best = candidate;
    }
  };
  constexpr int kSteps = 100;
  constexpr int kRounds = 2;
  for (int round = 0; round < kRounds; ++round) {
    for (int i = kSteps - 1; i >= kSteps / 20; --i) {
      const float high = full.maximum * static_cast<float>(i) / kSteps;
      try_range({symmetric ? -high : best.minimum, high});
    }
    for (int i = kSteps - 1; i >= kSteps / 20 && !symmetric; --i) {
      try_range({full.minimum * static_cast<float>(i) / kSteps, best.maximum});
    }
  }
  return best;
}

// The counts of all bins but that of zero, which every range holds exactly.
std::vector<CountedInterval> intervals(const std::vector<std::uint64_t>& bins, Range full) {
  std::vector<CountedInterval> result;
  for (int bin = 0; bin < kBins; ++bin) {
    const std::uint64_t n = bins[static_cast<std::size_t>(bin)];
    if (n == 0 || bin == kZeroBin) continue;
    const auto [low, high] = std::minmax({inside(bin, 0.0), inside(bin, 1.0)});
    result.push_back({.low = std::clamp<double>(low, full.minimum, full.maximum),
                      .high = std::clamp<double>(high, full.minimum, full.maximum),
                      .count = static_cast<double>(n)});
  }
  return result;
}

constexpr double kSumUnit = 0x1p-24;
constexpr double kSumLimit = 0x1p24;

}  // namespace

void Histogram::ExactSum::add(float value) {
  const double cut = std::clamp<double>(value, -kSumLimit, kSumLimit);
  const auto units = static_cast<std::int64_t>(std::llrint(cut / kSumUnit));
  high += units >> 32;
  low += static_cast<std::uint64_t>(units) & 0xffffffffU;
}

void Histogram::ExactSum::merge(const ExactSum& other) {
  high += other.high;
  low += other.low;
}

double Histogram::ExactSum::value() const {
  return (static_cast<double>(high) * 0x1p32 + static_cast<double>(low)) * kSumUnit;
}

Histogram::Histogram() : bins_(kBins, 0) {}

void Histogram::add(std::span<const float> values) {
  if (values.empty()) return;
  float low = values.front();
  float high = low;
  for (const float value : values) {
    ++bins_[static_cast<std::size_t>(bin_of(value))];
    low = std::min(low, value);
    high = std::max(high, value);
  }
  count_ += values.size();
  minimum_ = std::min(minimum_, low);
  maximum_ = std::max(maximum_, high);
  ++samples_;
  minima_.add(low);
  maxima_.add(high);
}

void Histogram::merge(const Histogram& other) {
  for (std::size_t i = 0; i < bins_.size(); ++i) bins_[i] += other.bins_[i];
  count_ += other.count_;
  minimum_ = std::min(minimum_, other.minimum_);
  maximum_ = std::max(maximum_, other.maximum_);
  samples_ += other.samples_;
  minima_.merge(other.minima_);
  maxima_.merge(other.maxima_);
}

Range Histogram::range(RangeObserver observer, bool symmetric) const {
  const Range full = with_zero(minimum_, maximum_, symmetric);
  switch (observer) {
    case RangeObserver::kMinMax:
      return full;
    case RangeObserver::kAverage: {
      const double samples = static_cast<double>(std::max<std::uint64_t>(samples_, 1));
      return with_zero(minima_.value() / samples, maxima_.value() / samples, symmetric);
    }
    case RangeObserver::kPercentile:
      return percentile_range(bins_, count_, full, symmetric);
    case RangeObserver::kMse:
      return mse_range(bins_, full, symmetric);
    case RangeObserver::kEntropy:
      return entropy_range(intervals(bins_, full), full, symmetric);
  }
  return full;
}

}  // namespace qe
