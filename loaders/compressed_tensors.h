// The part of the compressed-tensors scheme that this project reads and writes: format
// int-quantized, 8-bit symmetric weights by channel or tensor, activations dynamic by token or
// static by tensor. Everything else is refused by name. See docs/formats.md.
#pragma once

#include <string>
#include <string_view>

#include <qe/checkpoint.h>
#include "loaders/safetensors.h"

namespace qe {

// Private companion of the directory, for what compressed-tensors cannot express.
inline constexpr std::string_view kPrivateConfigFile = "qe_config.json";
inline constexpr std::int64_t kPrivateFormatVersion = 1;

// An i8 zero point of a file stands for the u8 zero point this much above it.
inline constexpr std::int32_t kUnsignedOffset = 128;

// Class of a module by its name and weight, as the targets "Linear", "Embedding" and "Conv2d" (this
// project's extension) need it.
std::string_view module_class(std::string_view module, const Tensor& weight);

// How many scales a weight has.
std::int64_t scale_count(const Tensor& weight, Granularity granularity);

// Moves weight_scale, input_scale, input_zero_point and the like from checkpoint.tensors into the
// annotations, as checkpoint.config's `quantization_config` declares them. Throws LoadError and
// UnsupportedError.
void absorb_quantization(Checkpoint& checkpoint);

// Adds the activation scales of the private companion file. Throws LoadError.
void absorb_private_config(Checkpoint& checkpoint, const Config& private_config);

// The value of `quantization_config` (JSON text) for a quantized checkpoint.
std::string render_quantization_config(const Checkpoint& checkpoint);

// The tensors of the checkpoint with the scales as tensors of their own.
TensorMap render_tensors(const Checkpoint& checkpoint);

}  // namespace qe
