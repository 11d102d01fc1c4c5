// What a model directory holds and what becomes of it, as tables.
#pragma once

#include <string>

#include <qe/checkpoint.h>
#include <qe/model.h>
#include <qe/plan.h>

#include "tools/support/result.h"
#include "tools/support/table.h"

namespace qe::tools {

Table model_table(const Checkpoint& checkpoint, const Model& model);
Table stored_tensor_table(const Checkpoint& checkpoint);
// Quantization of every module's activations; without rows for a float model.
Table activation_table(const Checkpoint& checkpoint);
Table step_table(const Plan& plan);
Table arena_table(const Plan& plan);
Table pass_table(const std::vector<PassTrace>& passes);

// "int8 per channel, 384 scales", "u8 per token, dynamic", "u8 scale 0.0123 zero point 117".
std::string quant_text(const QuantParams& quant);

// {architecture, ..., tensors, steps, arena, passes}.
Json inspection_json(const Checkpoint& checkpoint, const Model& model, const Plan& plan,
                     const std::vector<PassTrace>& passes);

}  // namespace qe::tools
