// qe-inspect: everything about a model directory and the program compiled from it, without running
// it; and the instruction sets of this machine.
#include <algorithm>
#include <array>
#include <filesystem>
#include <string>
#include <vector>

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
    "      Instruction sets this CPU has, and the one that is taken (QE_ISA caps it).\n";

struct Options {
  std::string model;
  std::string isa;  // not empty: asked for; "list" or a name to cap at
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
  if (options.model.empty() && options.isa.empty()) {
    throw UsageError({.problem = "give a model directory, or --isa"});
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

void write_json_report(const Options& options, const Checkpoint& checkpoint, Model model,
                       std::ostream& out) {
  const std::vector<std::filesystem::path> inputs = {options.model};
  Json result = begin_result("qe-inspect", options.flags, inputs);
  const std::vector<PassTrace> passes = trace_passes(model);
  const auto plan = Plan::compile(model, {.max_tokens = options.max_tokens,
                                          .max_sequences = options.flags.batch,
                                          .threads = options.flags.threads,
                                          .isa = options.flags.isa});
  result.update(inspection_json(checkpoint, model, *plan, passes));
  write_json(out, result);
}

int run(int argc, const char* const* argv) {
  const Options options = parse_options(argc, argv);
  Output output(options.flags.output);
  if (!options.isa.empty() && options.model.empty()) {
    if (options.flags.format == "json") {
      write_json(output.stream(), begin_result("qe-inspect", options.flags, {}));
    } else {
      write_table(output.stream(), isa_table(options.flags.isa), options.flags.format);
    }
    output.flush();
    return kExitOk;
  }
  const Checkpoint checkpoint =
      load_checkpoint(options.model, {.use_mmap = !options.flags.no_mmap});
  Model model = build_model(checkpoint);
  if (options.flags.format == "json") {
    write_json_report(options, checkpoint, std::move(model), output.stream());
  } else {
    if (!options.isa.empty()) {
      write_table(output.stream(), isa_table(options.flags.isa), options.flags.format);
    }
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
