// The values are counted again in bins of equal width, several of which make a level.
#include "engine/quant/entropy_range.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace qe {
namespace {

constexpr int kLevels = 256;
constexpr int kBins = 8 * kLevels;
constexpr int kStep = kBins / 128;  // by which an end moves

using Bins = std::array<double, kBins>;

struct Ends {
  int begin = 0;
  int end = kBins;
};

Bins evenly(std::span<const CountedInterval> values, Range full) {
  Bins bins{};
  const double width = (double{full.maximum} - full.minimum) / kBins;
  for (const CountedInterval& value : values) {
    const double low = (value.low - full.minimum) / width;
    const double high = (value.high - full.minimum) / width;
    const int first = std::clamp(static_cast<int>(low), 0, kBins - 1);
    const int last = std::clamp(static_cast<int>(high), first, kBins - 1);
    if (first == last) {
      bins[static_cast<std::size_t>(first)] += value.count;
      continue;
    }
    for (int bin = first; bin <= last; ++bin) {
      const double covered = std::min<double>(high, bin + 1) - std::max<double>(low, bin);
      bins[static_cast<std::size_t>(bin)] += value.count * std::max(covered, 0.0) / (high - low);
    }
  }
  return bins;
}

// Of the values cut at both ends from the same values on kLevels levels. A level that holds nothing
// but what was cut counts as all but impossible, not as impossible: between an outlier and the rest
// there may be no value to cut at.
double divergence(const Bins& bins, Ends ends) {
  const auto sum = [&](int from, int to) {
    return std::accumulate(bins.begin() + from, bins.begin() + to, 0.0);
  };
  const double below = sum(0, ends.begin);
  const double above = sum(ends.end, kBins);
  const double within = sum(ends.begin, ends.end);
  const double all = below + within + above;
  const auto clipped = [&](int bin) {
    return bins[static_cast<std::size_t>(bin)] + (bin == ends.begin ? below : 0.0) +
           (bin == ends.end - 1 ? above : 0.0);
  };
  const int count = ends.end - ends.begin;
  double result = 0.0;
  for (int level = 0; level < kLevels; ++level) {
    const int from = ends.begin + level * count / kLevels;
    const int to = ends.begin + (level + 1) * count / kLevels;
    const double held = sum(from, to);
    int used = 0;
    for (int bin = from; bin < to; ++bin) used += clipped(bin) > 0.0 ? 1 : 0;
    if (used == 0) continue;
    constexpr double kAllButImpossible = 1e-12;
    const double rendered = std::max(held / used / within, kAllButImpossible);
    for (int bin = from; bin < to; ++bin) {
      const double share = clipped(bin) / all;
      if (share > 0.0) result += share * std::log(share / rendered);
    }
  }
  return result;
}

}  // namespace

Range entropy_range(std::span<const CountedInterval> values, Range full, bool symmetric) {
  if (values.empty() || !(full.maximum > full.minimum)) return full;
  const Bins bins = evenly(values, full);
  const double width = (double{full.maximum} - full.minimum) / kBins;
  const int zero = std::clamp(static_cast<int>(-full.minimum / width), 0, kBins - 1);
  Ends best;
  double least = divergence(bins, best);
  const auto consider = [&](Ends ends) {
    const double found = divergence(bins, ends);
    if (found < least) {
      least = found;
      best = ends;
    }
  };
  if (symmetric) {
    for (int cut = kStep; kBins - 2 * cut >= kLevels; cut += kStep) consider({cut, kBins - cut});
  }
  constexpr int kRounds = 2;
  for (int round = 0; round < kRounds && !symmetric; ++round) {
    const int begin = best.begin;
    for (int end = kBins - kStep; end > zero && end - begin >= kLevels; end -= kStep) {
      consider({begin, end});
    }
    const int end = best.end;
    for (int from = kStep; from <= zero && end - from >= kLevels; from += kStep) {
      consider({from, end});
    }
  }
  const auto edge = [&](int bin) { return static_cast<float>(full.minimum + bin * width); };
  return {.minimum = best.begin == 0 ? full.minimum : std::min(edge(best.begin), 0.0F),
          .maximum = best.end == kBins ? full.maximum : std::max(edge(best.end), 0.0F)};
}

}  // namespace qe
