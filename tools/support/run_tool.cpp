// The table from error types to exit codes, and the interrupt flag.
#include "tools/support/run_tool.h"

#include <signal.h>

#include <array>
#include <csignal>
#include <cstddef>
#include <iostream>
#include <new>

#include <qe/error.h>

#include "tools/support/args.h"

namespace qe::tools {
namespace {

// A signal handler can reach nothing but static storage.
volatile std::sig_atomic_t interrupt_flag = 0;

void on_signal(int) { interrupt_flag = 1; }

// The float library's generated code may keep something else than a stack in the stack pointer, and
// a handler's frame would be written there: handlers run on memory of their own. Signals to a
// process go to its first thread, which is the one that comes here.
void use_own_stack() {
  alignas(64) static std::array<std::byte, std::size_t{1} << 16> memory;
  stack_t stack = {};
  stack.ss_sp = memory.data();
  stack.ss_size = memory.size();
  sigaltstack(&stack, nullptr);
}

void install_handler() {
  use_own_stack();
  struct sigaction action = {};
  action.sa_handler = on_signal;
  // The second one has the default effect.
  action.sa_flags = static_cast<int>(SA_RESETHAND) | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  for (const int signal : {SIGINT, SIGTERM}) {
    struct sigaction previous = {};
    // Ignored by the parent (nohup, a background job): stays ignored.
    if (sigaction(signal, nullptr, &previous) == 0 && previous.sa_handler != SIG_IGN) {
      sigaction(signal, &action, nullptr);
    }
  }
}

int report(const std::string& name, const char* message, ExitCode code) {
  std::cout.flush();
  std::cerr << name << ": " << message << "\n";
  return code;
}

}  // namespace

bool interrupted() { return interrupt_flag != 0; }

int run_tool(const std::string& name, const std::function<int()>& body) noexcept {
  try {
    std::ios::sync_with_stdio(false);
    install_handler();
    const int code = body();
    std::cout.flush();
    if (!std::cout) return report(name, "cannot write to standard output", kExitIo);
    return code;
  } catch (const EarlyExit&) {
    return kExitOk;
  } catch (const UsageError& error) {
    return report(name, error.what(), kExitUsage);
  } catch (const LoadError& error) {
    return report(name, error.what(), kExitModel);
  } catch (const GraphError& error) {
    return report(name, error.what(), kExitModel);
  } catch (const DataError& error) {
    return report(name, error.what(), kExitData);
  } catch (const IoError& error) {
    return report(name, error.what(), kExitIo);
  } catch (const ResourceError& error) {
    return report(name, error.what(), kExitResource);
  } catch (const DeviceError& error) {
    return report(name, error.what(), kExitDevice);
  } catch (const std::bad_alloc&) {
    return report(name, "out of memory", kExitResource);
  } catch (const std::exception& error) {
    return report(name, error.what(), kExitInternal);
  }
}

}  // namespace qe::tools
