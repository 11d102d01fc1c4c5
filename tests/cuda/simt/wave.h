// The blocks that run at the same time, one cluster as a rule or, where blocks of a launch wait for
// each other, all of them: their threads, what each waits for, and who goes on next.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tests/cuda/simt/fiber.h"
#include "tests/cuda/simt/grid.h"

namespace qe::simt {

struct Thread;
struct Block;

struct Warp {
  bool slow = false;              // goes on only when no other can
  const char* meeting = nullptr;  // what those who arrived wait for
  int arrived = 0;
  std::array<void*, kLanes> arguments{};
  std::array<Thread*, kLanes> lanes{};
  AsyncGroups products;
};

struct Barrier {
  int expected = 0;
  int pending = 0;
  std::int64_t transactions = 0;
  std::uint32_t phase = 0;

  void settle() {
    if (pending > 0 || transactions != 0) return;
    pending = expected;
    ++phase;
  }
};

struct Thread {
  Coordinates at;
  Block* block = nullptr;
  Warp* warp = nullptr;
  int lane = 0;
  std::unique_ptr<Fiber> fiber;
  std::string_view waits_for;   // null: may run
  std::function<bool()> until;  // may run once this holds
  bool waited = false;          // for the launches before
  AsyncGroups copies;
};

struct Cluster {
  std::size_t first = 0;  // of its blocks in the wave
  int live = 0;           // threads
  int at_barrier = 0;
};

struct Block {
  int rank = 0;  // in the cluster
  Cluster* cluster = nullptr;
  std::vector<std::byte> shared;
  std::unordered_map<std::uint32_t, Barrier> barriers;
  std::vector<std::unique_ptr<Warp>> warps;
  int live = 0;
  int at_barrier = 0;
};

class Wave {
 public:
  // Of the grid's blocks those from first_block on.
  Wave(const GridShape& shape, unsigned first_block, std::mt19937_64& random,
       const std::function<void()>& body);
  void run();
  // Before what is ahead of the launch has ended: until no thread can go on without that.
  void run_ahead();

  void suspend(std::string_view reason) {
    current->waits_for = reason;
    current->fiber->suspend();
  }
  void release_block(Block& block);
  void release_cluster(Cluster& cluster);
  void ended();
  bool flip() { return (random_() & 1U) != 0; }

  const GridShape& shape;
  std::vector<std::unique_ptr<Cluster>> clusters;
  std::vector<std::unique_ptr<Block>> blocks;
  std::vector<std::unique_ptr<Thread>> threads;
  std::vector<std::function<void()>> events;
  Thread* current = nullptr;
  int live = 0;
  bool ahead = false;  // launches before have not ended

 private:
  bool go_on();
  bool run_ready_warp(bool slow);
  bool run_lanes(std::size_t first);
  bool wake_one();
  bool fire_event();
  [[noreturn]] void fail_deadlocked() const;
  void check_waited() const;
  void add_block(unsigned number, Cluster& cluster, int rank, const std::function<void()>& body);
  void add_thread(Block& block, const Coordinates& at, const std::function<void()>& body);

  std::mt19937_64& random_;
  std::exception_ptr thrown_;
};

// What runs; one at a time a process.
Wave*& running();

// Throws Failure with the running thread's place.
[[noreturn]] void fail(const std::string& problem);

}  // namespace qe::simt
