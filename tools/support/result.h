// The machine-readable result of a tool: one JSON object of schema "qe.result/1" that holds what
// was run, on what machine, with which input files, and the figures. Every other report of a tool
// is rendered from the same values.
#pragma once

#include <filesystem>
#include <ostream>
#include <span>
#include <string>

#include <nlohmann/json.hpp>

#include "tools/support/args.h"

namespace qe::tools {

using Json = nlohmann::ordered_json;

inline constexpr const char* kResultSchema = "qe.result/1";

// {schema, tool, version, complete: true, environment{cpu, cpus, device, gpu, isa, available_isas,
// threads, system, load_average, governor}, inputs[{path, bytes, xxh64}]}. `inputs` are files or
// directories; they are read to the end. Throws IoError; DeviceError if
// the GPU of the flags has gone.
Json begin_result(const std::string& tool, const SharedFlags& flags,
                  std::span<const std::filesystem::path> inputs);

// Indented, with a newline. Numbers that are not finite become null, bytes that are not UTF-8
// U+FFFD.
void write_json(std::ostream& out, const Json& value);

// The same on one line, for JSON lines.
void write_json_line(std::ostream& out, const Json& value);

// What makes timings on this machine doubtful just now, one sentence each: load, frequency
// governor.
std::vector<std::string> timing_warnings(int threads);

}  // namespace qe::tools
