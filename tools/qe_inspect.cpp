// qe-inspect: everything about a model directory and the program compiled from it, without running
// it; and the instruction sets and GPUs of this machine.
#include <algorithm>
#include <array>
#include <filesystem>
#include <string>
#include <vector>

#include <qe/cuda/device.h>
#include <qe/error.h>
#include <qe/load.h>
#include <qe/model.h>
#include <qe/plan.h>

#include "tools/inspect/tables.h"
#include "tools/support/args.h"
#include "tools/support/output.h"
#include "tools/support/run_tool.h"

namespace qe::tools {
namespace {

constexpr const char* kExamples =
    "  qe-inspect models/tiny-emotion\n"
    "      Properties, tensors, scheme, steps and arena.\n"
    "  qe-inspect MODEL_DIR --passes\n"
    "      The graph before the first and after every pass.\n"
    "  qe-inspect MODEL_DIR --plan --max-tokens 128 --format md\n"
    "      Steps and arena buffers for runs of at most 128 tokens.\n"
    "  qe-inspect models/tiny-shapes --plan --batch 8\n"
    "      A model of images, for runs of at most 8 images.\n"
    "  qe-inspect --isa\n"
    "      Instruction sets this CPU has, and the one that is taken (QE_ISA caps it).\n"
    "  qe-inspect --devices\n"
    "      GPUs of this machine, and which of them kernels run on.\n";

struct Options {
  std::string model;
  std::string isa;  // not empty: asked for; "list" or a name to cap at
  bool devices = false;
  bool tensors = false;
  bool graph = false;
  bool passes = false;
  bool plan = false;
  int max_tokens = 512;
  SharedFlags flags;

  // Without any section asked for: all that are tables.
  bool everything() const { return !tensors && !graph && !passes && !plan; }
};

Options parse_options(int argc, const char* const* argv) {
  Options options;
  CLI::App app;
  describe(app, "qe-inspect", "Show what a model directory holds and how it is run.", kExamples);
  app.add_option("MODEL_DIR", options.model, "Model directory");
  app.add_flag("--isa{list}", options.isa,
               "List instruction sets and the one taken; --isa=NAME caps it");
  app.add_flag("--devices", options.devices, "List GPUs");
  app.add_flag("--tensors", options.tensors, "Tensors and quantization of the directory");
  app.add_flag("--graph", options.graph, "The graph as built");
  app.add_flag("--passes", options.passes, "The graph before and after every pass");
  app.add_flag("--plan", options.plan, "Steps and arena buffers");
  app.add_option("--max-tokens", options.max_tokens, "Capacity of the plan")
      ->check(CLI::Range(1, 1 << 20))
      ->type_name("N")
      ->capture_default_str();
  app.add_flag("--no-mmap", options.flags.no_mmap, "Read weight files instead of mapping them");
  add_output(app, options.flags, {"table", "md", "csv", "json"});
  add_batch(app, options.flags);
  add_threads(app, options.flags);
  options.flags.batch = 32;
  parse(app, argc, argv, options.flags);
  if (!options.isa.empty() && options.isa != "list") {
    options.flags.isa = capped_isa(options.isa, "--isa");
  }
  if (options.model.empty() && options.isa.empty() && !options.devices) {
    throw UsageError({.problem = "give a model directory, --isa or --devices"});
  }
  return options;
}

Table isa_table(Isa taken) {
  Table table{
      .title = "Instruction sets", .header = {"name", "available", "taken"}, .text_columns = 3};
  const std::vector<Isa> available = available_isas();
  for (const Isa isa : {Isa::kReference, Isa::kAvx2, Isa::kAvx512Vnni, Isa::kAmx}) {
    const bool has = std::find(available.begin(), available.end(), isa) != available.end();
    table.rows.push_back({std::string(name(isa)), has ? "yes" : "no", isa == taken ? "yes" : ""});
  }
  return table;
}

Table device_table(const std::vector<cuda::Device>& devices) {
  Table table{.title = "GPUs",
              .header = {"index", "name", "compute capability", "usable", "multiprocessors",
                         "most MHz", "memory MB", "free MB"},
              .text_columns = 4};
  const auto megabytes = [](std::size_t bytes) { return std::to_string(bytes / 1'000'000); };
  for (const cuda::Device& device : devices) {
    table.rows.push_back({std::to_string(device.index), device.name,
                          std::to_string(device.major) + "." + std::to_string(device.minor),
                          device.usable ? "yes" : "no", std::to_string(device.multiprocessors),
                          std::to_string(device.max_clock_mhz), megabytes(device.memory_bytes),
                          megabytes(device.free_bytes)});
  }
  return table;
}

Json device_json(const std::vector<cuda::Device>& devices) {
  Json all = Json::array();
  for (const cuda::Device& device : devices) {
    all.push_back({{"index", device.index},
                   {"name", device.name},
                   {"compute_capability", {device.major, device.minor}},
                   {"usable", device.usable},
                   {"multiprocessors", device.multiprocessors},
                   {"max_clock_mhz", device.max_clock_mhz},
                   {"memory_bytes", device.memory_bytes},
                   {"free_bytes", device.free_bytes}});
  }
  return all;
}

// What does not need a model.
void write_machine(const Options& options, std::ostream& out) {
  const std::string& format = options.flags.format;
  const std::vector<cuda::Device> devices =
      options.devices ? cuda::devices() : std::vector<cuda::Device>{};
  if (format == "json") {
    Json result = begin_result("qe-inspect", options.flags, {});
    if (options.devices) result["devices"] = device_json(devices);
    write_json(out, result);
    return;
  }
  if (!options.isa.empty()) write_table(out, isa_table(options.flags.isa), format);
  if (options.devices) write_table(out, device_table(devices), format);
}

void write_passes(std::ostream& out, const Model& model, const std::vector<PassTrace>& passes) {
  out << "before all passes:\n" << dump(model.graph) << "\n";
  for (const PassTrace& pass : passes) {
    out << "after " << pass.name << " (" << pass.nodes_before << " -> " << pass.nodes_after
        << " nodes):\n"
        << pass.graph << "\n";
  }
}

void write_sections(const Options& options, const Checkpoint& checkpoint, Model model,
                    std::ostream& out) {
  const SharedFlags& flags = options.flags;
  const bool all = options.everything();
  const auto show = [&](const Table& table) { write_table(out, table, flags.format); };
  if (all) show(model_table(checkpoint, model));
  if (all || options.tensors) {
    show(stored_tensor_table(checkpoint));
    if (checkpoint.quantized()) show(activation_table(checkpoint));
  }
  if (options.graph) out << dump(model.graph) << "\n";
  const std::vector<PassTrace> passes = trace_passes(model);
  if (options.passes) write_passes(out, model, passes);
  if (!all && !options.plan) return;
  const auto plan = Plan::compile(std::move(model), {.max_tokens = options.max_tokens,
                                                     .max_sequences = flags.batch,
                                                     .threads = flags.threads,
                                                     .isa = flags.isa});
  show(pass_table(passes));
  show(step_table(*plan));
  show(arena_table(*plan));
}

void write_json_report(const Options& options, const Checkpoint& checkpoint, const Model& model,
                       std::ostream& out) {
  const std::vector<std::filesystem::path> inputs = {options.model};
  Json result = begin_result("qe-inspect", options.flags, inputs);
  const std::vector<PassTrace> passes = trace_passes(model);
  const auto plan = Plan::compile(model, {.max_tokens = options.max_tokens,
                                          .max_sequences = options.flags.batch,
                                          .threads = options.flags.threads,
                                          .isa = options.flags.isa});
  if (options.devices) result["devices"] = device_json(cuda::devices());
  result.update(inspection_json(checkpoint, model, *plan, passes));
  write_json(out, result);
}

int run(int argc, const char* const* argv) {
  const Options options = parse_options(argc, argv);
  Output output(options.flags.output);
  if (options.model.empty()) {
    write_machine(options, output.stream());
    output.flush();
    return kExitOk;
  }
  const Checkpoint checkpoint =
      load_checkpoint(options.model, {.use_mmap = !options.flags.no_mmap});
  Model model = build_model(checkpoint);
  if (options.flags.format == "json") {
    write_json_report(options, checkpoint, model, output.stream());
  } else {
    if (!options.isa.empty() || options.devices) write_machine(options, output.stream());
    write_sections(options, checkpoint, std::move(model), output.stream());
  }
  output.flush();
  return kExitOk;
}

}  // namespace
}  // namespace qe::tools

int main(int argc, char** argv) {
  return qe::tools::run_tool("qe-inspect", [&] { return qe::tools::run(argc, argv); });
}
