// Runs a kernel's blocks on the host, thread by thread: every CUDA thread is a fiber that goes on
// until it waits for others. Who goes next is random, and so is when asynchronous copies and matrix
// instructions take effect, so that a missing barrier shows. Knows warps, block and cluster
// barriers, shared memory and barriers in it; stands in for no timing and no cache.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

namespace qe::simt {

inline constexpr int kLanes = 32;

struct Index {
  unsigned x = 1, y = 1, z = 1;
};

struct GridShape {
  Index grid, block;
  int cluster = 1;  // blocks, along x
  std::size_t shared_bytes = 0;
  bool overlaps = false;      // may begin before the launch before it has ended
  bool all_resident = false;  // all blocks run at the same time
};

// A kernel did what the hardware forbids, or waits for ever. what() says which thread and why.
class Failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class Wave;

// A launch: runs `body` once a thread. Throws Failure; what a thread throws itself passes through.
class Grid {
 public:
  Grid(const GridShape& shape, std::uint64_t seed, std::function<void()> body);
  ~Grid();
  Grid(const Grid&) = delete;
  Grid& operator=(const Grid&) = delete;

  // What an overlapping launch does before the one before it: one wave, any, goes as far as it
  // comes until its threads wait for that.
  void begin();
  // All the rest.
  void finish();

 private:
  GridShape shape_;
  std::mt19937_64 random_;
  std::function<void()> body_;
  std::vector<unsigned> order_;  // first blocks of waves
  std::unique_ptr<Wave> begun_;
};

void run_grid(const GridShape& shape, std::uint64_t seed, const std::function<void()>& body);

// ---- Called by the running thread ----

struct Coordinates {
  Index thread, block, block_size, grid_size;
};
const Coordinates& coordinates();

// All lanes of the warp meet; the last to arrive calls act(arguments of lanes 0 to 31). Everybody
// has to come with the same `what`.
using WarpAction = std::function<void(std::span<void* const>)>;
void meet_warp(const char* what, void* argument, const WarpAction& act);
void meet_block();    // every thread of the block that has not ended
void meet_cluster();  // of the cluster

int warp_in_block();
int lane_in_warp();
int block_in_cluster();

// Of a launch that overlaps: until the launches before it have ended, without which no thread may
// end; and what is allowed only after that. Of another launch: nothing.
void wait_for_launches_before();
void allow_next_launch();

// Until it holds. `what` is waited for.
void wait_until(const char* what, std::function<bool()> holds);

// Whether something that may happen now or later happens now.
bool flip();

// The block's shared memory, and `bytes` of it by the address that instructions use. `rank` is a
// block of the cluster. Throws Failure outside of what the launch gave.
std::byte* shared_memory();
std::byte* shared_at(std::uint32_t address, std::size_t bytes);
std::byte* shared_at(int rank, std::uint32_t address, std::size_t bytes);
std::uint32_t shared_address_of(const void* pointer);

// Something that takes effect some time from now, whatever threads do.
void later(std::function<void()> event);

// Barriers in shared memory. Transactions are bytes that copies announced and brought.
void init_barrier(std::uint32_t address, int arrivals);
void arrive_at_barrier(int rank, std::uint32_t address, int transactions);
void complete_transactions(int rank, std::uint32_t address, int transactions);
void wait_for_barrier(std::uint32_t address, std::uint32_t parity);

// What a thread or a warp has under way, in order of issue and in groups. Operations of a closed
// group may be carried out at any time up to the wait for it.
class AsyncGroups {
 public:
  void issue(std::function<void()> operation) { open_.push_back(std::move(operation)); }
  void commit();
  void wait(int pending);

 private:
  void carry_out(std::size_t groups);
  std::vector<std::function<void()>> open_;
  std::vector<std::vector<std::function<void()>>> closed_;
};
AsyncGroups& thread_copies();
AsyncGroups& warp_products();

}  // namespace qe::simt
