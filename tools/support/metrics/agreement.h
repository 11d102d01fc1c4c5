// Agreement of predictions with truth beyond chance, from a confusion matrix.
#pragma once

#include "tools/support/metrics/confusion.h"

namespace qe::tools {

// Matthews correlation coefficient, Gorodkin's multi-class form (Comput. Biol. Chem. 28, 2004).
// 0 where truth or prediction is constant.
double matthews_correlation(const ConfusionMatrix& matrix);

// Cohen's kappa (1960), unweighted. NaN where chance alone agrees on everything (0/0).
double cohen_kappa(const ConfusionMatrix& matrix);

}  // namespace qe::tools
