// The list of architectures: one line each in list.cpp, one file each beside it.
#pragma once

#include <qe/checkpoint.h>
#include <qe/model.h>

namespace qe::models {

Model bert_for_sequence_classification(const Checkpoint& checkpoint);
Model distilbert_for_sequence_classification(const Checkpoint& checkpoint);

}  // namespace qe::models
