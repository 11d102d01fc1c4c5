// Two passes with 22 fraction bits: weights of each output position, rows by columns, then columns
// by rows, rounded to a byte in between. The sums are taken modulo 2^32: what they stand for fits,
// and the weights' order of addition then does not matter.
#include "loaders/image/resample.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

namespace qe::image {
namespace {

constexpr int kFractionBits = 32 - 8 - 2;
constexpr std::uint32_t kHalf = 1U << (kFractionBits - 1);

struct Filter {
  double support;
  double (*weight)(double);
};

double triangle(double x) { return std::max(0.0, 1.0 - std::abs(x)); }

// Keys' cubic convolution with a = -0.5.
double cubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

Filter filter_of(Interpolation interpolation) {
  return interpolation == Interpolation::kBilinear ? Filter{1.0, triangle} : Filter{2.0, cubic};
}

// For each output position: the first input position and the weights from there.
struct Taps {
  struct Range {
    int first;
    std::uint32_t count;
    std::size_t weights;  // index of the first
  };
  std::vector<Range> ranges;
  std::vector<std::int32_t> weights;

  std::span<const std::int32_t> of(const Range& range) const {
    return std::span(weights).subspan(range.weights, range.count);
  }
  int begin() const { return ranges.front().first; }
  int end() const {
    int last = 0;
    for (const Range& range : ranges)
      last = std::max(last, range.first + static_cast<int>(range.count));
    return last;
  }
};

std::int32_t to_fixed(double weight) {
  return static_cast<std::int32_t>(weight * (1 << kFractionBits) + (weight < 0 ? -0.5 : 0.5));
}

// Positions [first, first + count) of `size` input positions scaled to `scaled_size`.
Taps make_taps(int size, std::int64_t scaled_size, std::int64_t first, int count,
               const Filter& filter) {
  const double scale = static_cast<double>(size) / static_cast<double>(scaled_size);
  const double widening = std::max(scale, 1.0);
  const double support = filter.support * widening;
  const double narrowing = 1.0 / widening;
  Taps taps;
  std::vector<double> weights;
  for (int i = 0; i < count; ++i) {
    const double centre = (static_cast<double>(first + i) + 0.5) * scale;
    const int begin = std::max(0, static_cast<int>(std::floor(centre - support + 0.5)));
    const int end = std::min(size, static_cast<int>(std::floor(centre + support + 0.5)));
    weights.clear();
    double sum = 0.0;
    for (int x = 0; x < end - begin; ++x) {
      weights.push_back(filter.weight((x + begin - centre + 0.5) * narrowing));
      sum += weights.back();
    }
    taps.ranges.push_back({begin, static_cast<std::uint32_t>(weights.size()), taps.weights.size()});
    for (const double weight : weights) {
      taps.weights.push_back(to_fixed(sum != 0.0 ? weight / sum : weight));
    }
  }
  return taps;
}

std::uint8_t to_byte(std::uint32_t sum) {
  return static_cast<std::uint8_t>(
      std::clamp(static_cast<std::int32_t>(sum) >> kFractionBits, 0, 255));
}

// Rows [first_row, first_row + rows) of the image, at the width of the taps.
Image scale_rows(const Image& image, const Taps& taps, int first_row, int rows) {
  Image out{.width = static_cast<int>(taps.ranges.size()), .height = rows, .rgb = {}};
  out.rgb.resize(taps.ranges.size() * static_cast<std::size_t>(rows) * 3);
  const std::size_t stride = static_cast<std::size_t>(image.width) * 3;
  std::uint8_t* to = out.rgb.data();
  for (int y = 0; y < rows; ++y) {
    const std::uint8_t* const row =
        image.rgb.data() + static_cast<std::size_t>(first_row + y) * stride;
    for (const Taps::Range& range : taps.ranges) {
      const std::uint8_t* pixel = row + static_cast<std::size_t>(range.first) * 3;
      std::uint32_t red = kHalf;
      std::uint32_t green = kHalf;
      std::uint32_t blue = kHalf;
      for (const std::int32_t weight : taps.of(range)) {
        const auto factor = static_cast<std::uint32_t>(weight);
        red += factor * pixel[0];
        green += factor * pixel[1];
        blue += factor * pixel[2];
        pixel += 3;
      }
      to[0] = to_byte(red);
      to[1] = to_byte(green);
      to[2] = to_byte(blue);
      to += 3;
    }
  }
  return out;
}

// The image at the height of the taps; its first row is input position `first_row` of theirs.
Image scale_columns(const Image& image, const Taps& taps, int first_row) {
  Image out{.width = image.width, .height = static_cast<int>(taps.ranges.size()), .rgb = {}};
  const std::size_t stride = static_cast<std::size_t>(image.width) * 3;
  out.rgb.resize(taps.ranges.size() * stride);
  std::vector<std::uint32_t> sums(stride);
  std::uint8_t* to = out.rgb.data();
  for (const Taps::Range& range : taps.ranges) {
    std::fill(sums.begin(), sums.end(), kHalf);
    const std::uint8_t* row =
        image.rgb.data() + static_cast<std::size_t>(range.first - first_row) * stride;
    for (const std::int32_t weight : taps.of(range)) {
      const auto factor = static_cast<std::uint32_t>(weight);
      for (std::size_t i = 0; i < stride; ++i) sums[i] += factor * row[i];
      row += stride;
    }
    for (std::size_t i = 0; i < stride; ++i) to[i] = to_byte(sums[i]);
    to += stride;
  }
  return out;
}

// Pillow 13's choice of the pass that goes first, which decides what is rounded in between: columns
// if they lose more than twice what rows lose. Its releases before scaled rows first.
bool vertical_first(const Image& image, const Window& window) {
  const std::int64_t lost_rows = image.height - window.full_height;
  const std::int64_t lost_columns = image.width - window.full_width;
  return lost_rows > 0 && lost_rows > 2 * lost_columns;
}

}  // namespace

Image resample(const Image& image, const Window& window, Interpolation interpolation) {
  const Filter filter = filter_of(interpolation);
  const Taps columns = make_taps(image.width, window.full_width, window.left, window.width, filter);
  const Taps rows = make_taps(image.height, window.full_height, window.top, window.height, filter);
  if (vertical_first(image, window)) {
    return scale_rows(scale_columns(image, rows, 0), columns, 0, window.height);
  }
  const int first_row = rows.begin();
  return scale_columns(scale_rows(image, columns, first_row, rows.end() - first_row), rows,
                       first_row);
}

}  // namespace qe::image
