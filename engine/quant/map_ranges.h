// Which feature maps of an image model are stored in bytes, and with which scale each.
#pragma once

#include <map>
#include <string>

#include <qe/graph.h>
#include <qe/quantize.h>

namespace qe {

// By value name: the static rendering of every feature map that exists when an integer plan runs,
// and of the sums that go through a table of 256 bytes. Values that an op only moves (max pooling,
// concatenation, option A shortcuts) share one. `folded`: after fold_batch_norm. Throws UsageError
// naming a value without statistics.
std::map<std::string, QuantParams> map_scales(const Graph& folded, const Calibration& calibration,
                                              RangeObserver observer);

// One static u8 rendering of what the calibration saw of a value; `symmetric`: zero point 128.
// Throws UsageError naming a value without statistics.
QuantParams static_params(const Calibration& calibration, const std::string& value,
                          RangeObserver observer, bool symmetric);

}  // namespace qe
