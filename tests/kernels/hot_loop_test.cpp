// Disassembles the library and looks into the loops that multiply: their accumulators must stay in
// registers. A compiler that spills them costs half of the speed and breaks no other test.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace {

struct Instruction {
  unsigned long address;
  std::string text;
};
using Function = std::vector<Instruction>;

struct CloseProcess {
  void operator()(std::FILE* pipe) const { pclose(pipe); }
};

// The functions of the library that multiply, by their name; instructions as "vpaddd %ymm0,...".
std::vector<Function> disassemble() {
  std::vector<Function> functions;
  const std::unique_ptr<std::FILE, CloseProcess> pipe(
      popen("objdump -d --no-show-raw-insn '" QE_LIBRARY "' 2>/dev/null", "r"));
  std::array<char, 4096> buffer;
  bool wanted = false;
  while (pipe && std::fgets(buffer.data(), buffer.size(), pipe.get())) {
    const std::string line(buffer.data());
    const std::size_t colon = line.find(":\t");
    if (line.find(">:") != std::string::npos) {
      wanted = line.find("multiply") != std::string::npos;
      if (wanted) {
        functions.emplace_back();
      }
    } else if (wanted && colon != std::string::npos) {
      functions.back().push_back({std::strtoul(line.c_str(), nullptr, 16), line.substr(colon + 2)});
    }
  }
  return functions;
}

bool contains(const Instruction& instruction, std::string_view part) {
  return instruction.text.find(part) != std::string::npos;
}

// The smallest loops (from the target of a backward conditional jump to the jump) with a
// multiplication. An unconditional jump back only returns from code moved out of the way.
std::vector<Function> multiplying_loops(const Function& function, std::string_view multiply,
                                        std::string_view width) {
  std::vector<Function> loops;
  for (std::size_t end = 0; end < function.size(); ++end) {
    const std::string& text = function[end].text;
    if (text[0] != 'j' || text.starts_with("jmp")) {
      continue;
    }
    const std::size_t operand = text.find_first_of("0123456789abcdef", text.find(' '));
    if (operand == std::string::npos) {
      continue;
    }
    const unsigned long target = std::strtoul(text.c_str() + operand, nullptr, 16);
    const auto begin = std::find_if(function.begin(), function.begin() + end,
                                    [&](const Instruction& i) { return i.address == target; });
    const auto stop = function.begin() + static_cast<std::ptrdiff_t>(end);
    if (begin == stop || std::none_of(begin, stop, [&](const Instruction& i) {
          return contains(i, multiply) && contains(i, width);
        })) {
      continue;
    }
    Function loop(begin, stop + 1);
    const bool holds_smaller = std::any_of(
        loops.begin(), loops.end(),
        [&](const Function& smaller) { return smaller.front().address >= loop.front().address; });
    if (!holds_smaller) {
      loops.push_back(std::move(loop));
    }
  }
  return loops;
}

// Whether %rbp points to the function's frame. Otherwise it is a register like any other.
bool has_frame_pointer(const Function& function) {
  return std::any_of(function.begin(), function.end(),
                     [](const Instruction& i) { return contains(i, "%rsp,%rbp"); });
}

// A whole vector register stored to or loaded from the stack. Broadcasts read scalars: fine.
bool touches_stack(const Instruction& instruction, std::string_view width, bool frame_pointer) {
  return contains(instruction, width) && !contains(instruction, "broadcast") &&
         (contains(instruction, "(%rsp") || (frame_pointer && contains(instruction, "(%rbp")));
}

// The number of loops seen.
int check_loops(const std::vector<Function>& functions, std::string_view multiply,
                std::string_view width) {
  int count = 0;
  for (const Function& function : functions) {
    const bool frame_pointer = has_frame_pointer(function);
    for (const Function& loop : multiplying_loops(function, multiply, width)) {
      ++count;
      for (const Instruction& instruction : loop) {
        CHECK_MESSAGE(!touches_stack(instruction, width, frame_pointer), instruction.text);
      }
    }
  }
  return count;
}

}  // namespace

TEST_CASE("accumulators of matrix products and depthwise convolutions stay in registers") {
  const std::vector<Function> functions = disassemble();
  if (functions.empty()) {
    MESSAGE("skipped: objdump is not installed or found nothing");
    return;
  }
  // At least the 38 tile shapes of AVX-512 VNNI with three epilogues and the 4 of AVX2 of the
  // product, and of the depthwise convolution 9 and 3 tile shapes and the 6 loops that roll over an
  // image.
  CHECK(check_loops(functions, "vpdpbusd", "%zmm") >= 3 * 38 + 9 + 6);
  CHECK(check_loops(functions, "vpmaddwd", "%ymm") >= 4 + 3);
  // One or two tiles of rows by one or two of columns, with three epilogues.
  CHECK(check_loops(functions, "tdpbusd", "%tmm") >= 3 * 4);
}
