// What stands between the runtime and a backend: a backend compiles the final graph into a Program,
// a session runs the Executor that it makes. A backend is one function from ProgramInput to
// Compiled; compile.cpp lists them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <qe/plan.h>
#include <qe/session.h>

namespace qe {

struct MemoryPlan;

// One run, checked.
struct RunInputs {
  const std::int32_t* token_ids = nullptr;
  const std::int32_t* type_ids = nullptr;
  const std::int32_t* position_ids = nullptr;
  const std::int32_t* offsets = nullptr;  // [sequences + 1]
  const std::uint8_t* pixels = nullptr;   // [sequences][height][width][3]
  int tokens = 0;
  int sequences = 0;
};

// What a session has of its own: arena, threads or streams. One caller at a time.
class Executor {
 public:
  virtual ~Executor() = default;
  // Fills `logits`, [sequences][label_count]. `observer` is called where it is set, which it never
  // is for plans without float products. Throws DeviceError if a GPU fails, else nothing.
  virtual void run(const RunInputs& inputs, std::span<float> logits,
                   const Session::Observer& observer) = 0;
};

// Steps and weights: immutable, shared by all sessions, and alive as long as any of them.
class Program {
 public:
  virtual ~Program() = default;
  // Throws ResourceError, DeviceError; UsageError for a thread count out of range.
  virtual std::unique_ptr<Executor> make_executor(const SessionOptions& options) const = 0;
  virtual std::size_t weight_bytes() const = 0;
};

struct ProgramInput {
  const Graph& graph;  // after the passes, verified
  const CompileOptions& options;
  const MemoryPlan& memory;
  int label_count;
  int max_positions;
};

struct Compiled {
  std::unique_ptr<const Program> program;
  std::vector<StepInfo> infos;        // a step a node, in their order
  std::vector<std::string> observed;  // the values that an observer sees
};

}  // namespace qe
