// Both coefficients from the marginal sums.
#include "tools/support/metrics/agreement.h"

#include <cmath>
#include <limits>

namespace qe::tools {
namespace {

struct Marginals {
  double rows = 0.0;
  double correct = 0.0;
  double cross = 0.0;      // sum over classes of true * predicted
  double truths = 0.0;     // sum of squares of the true counts
  double predicted = 0.0;  // sum of squares of the predicted counts
};

Marginals marginals(const ConfusionMatrix& matrix) {
  Marginals m;
  m.rows = static_cast<double>(matrix.total());
  m.correct = static_cast<double>(matrix.correct());
  for (int label = 0; label < matrix.classes(); ++label) {
    const auto truth = static_cast<double>(matrix.true_count(label));
    const auto predicted = static_cast<double>(matrix.predicted_count(label));
    m.cross += truth * predicted;
    m.truths += truth * truth;
    m.predicted += predicted * predicted;
  }
  return m;
}

}  // namespace

double matthews_correlation(const ConfusionMatrix& matrix) {
  const Marginals m = marginals(matrix);
  const double spread = (m.rows * m.rows - m.predicted) * (m.rows * m.rows - m.truths);
  if (spread <= 0.0) return 0.0;
  return (m.correct * m.rows - m.cross) / std::sqrt(spread);
}

double cohen_kappa(const ConfusionMatrix& matrix) {
  const Marginals m = marginals(matrix);
  const double chance = m.rows * m.rows - m.cross;
  if (chance == 0.0) return std::numeric_limits<double>::quiet_NaN();
  return (m.correct * m.rows - m.cross) / chance;
}

}  // namespace qe::tools
