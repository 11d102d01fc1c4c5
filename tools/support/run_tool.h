// What every tool's main() has in common: typed errors become exit codes, an interrupt lets the
// tool flush what it has.
#pragma once

#include <functional>
#include <string>

namespace qe::tools {

enum ExitCode : int {
  kExitOk = 0,
  kExitThreshold = 1,
  kExitUsage = 2,
  kExitModel = 3,
  kExitData = 4,
  kExitIo = 5,
  kExitResource = 6,
  kExitDevice = 7,
  kExitInternal = 70,  // a fault of the program itself
  kExitInterrupted = 130,
};

// Calls `body` and returns the exit code of the program: the value of `body`, or what the exception
// that left it stands for, after one line "NAME: message" on standard error. Installs the handler
// that interrupted() reports; a second Ctrl-C kills the program at once.
int run_tool(const std::string& name, const std::function<int()>& body) noexcept;

// True once SIGINT or SIGTERM has arrived. Long loops ask between steps, write what is done, and
// return kExitInterrupted.
bool interrupted();

}  // namespace qe::tools
