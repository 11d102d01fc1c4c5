// From a row of logits to an answer.
#pragma once

#include <span>

#include <qe/classification.h>
#include <qe/model.h>

namespace qe {

// Label, logits and probabilities; the rest is left at its defaults.
Classification classification_of(std::span<const float> logits, ProblemType problem);

}  // namespace qe
