// What the benchmarks of a kernel table share: a benchmark for each table by name, and the program
// around them.
#pragma once

#include <benchmark/benchmark.h>

#include <string>

#include "kernels/kernel_table.h"

namespace qe::bench {

// Registers body(state, table) as "name/instruction set".
template <class Body>
void add(const kernels::KernelTable& table, const std::string& name, Body body) {
  benchmark::RegisterBenchmark((name + '/' + table.name).c_str(),
                               [&table, body](benchmark::State& state) { body(state, table); });
}

// add_table(table) for every vector instruction set of this CPU, then Google Benchmark's main.
template <class AddTable>
int run_tables(int argc, char** argv, AddTable add_table) {
  for (const Isa isa : kernels::available_isas()) {
    if (isa != Isa::kReference) {
      add_table(kernels::kernel_table(isa));
    }
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
    return 2;
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

}  // namespace qe::bench
