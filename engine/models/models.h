// The list of architectures: one line each in list.cpp, one file each beside it.
#pragma once

#include <qe/checkpoint.h>
#include <qe/model.h>

namespace qe::models {

Model bert_for_sequence_classification(const Checkpoint& checkpoint);
Model distilbert_for_sequence_classification(const Checkpoint& checkpoint);
Model efficientnet(const Checkpoint& checkpoint);
Model mobilenet_v2(const Checkpoint& checkpoint);
Model resnet(const Checkpoint& checkpoint);
Model resnet_cifar(const Checkpoint& checkpoint);
Model squeezenet(const Checkpoint& checkpoint);
Model vit(const Checkpoint& checkpoint);
Model vit_for_image_classification(const Checkpoint& checkpoint);

}  // namespace qe::models
