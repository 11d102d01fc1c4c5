// Obeying the driver. An untimed run precedes each measurement: the process was stopped meanwhile.
#include "tools/bench/follow.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <sstream>
#include <vector>

#include <qe/version.h>

#include "tools/bench/contestant.h"
#include "tools/bench/workload.h"
#include "tools/support/result.h"

namespace qe::tools {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kWarmRuns = 20;
constexpr double kWarmSeconds = 2.0;

// Milliseconds since this process was started; 0 if the system does not tell.
double process_age_ms() {
  std::ifstream file("/proc/self/stat");
  std::string text;
  std::getline(file, text);
  // The name in parentheses may hold spaces; the start time is the 20th field after it.
  std::istringstream fields(text.substr(std::min(text.size(), text.rfind(')') + 1)));
  std::string field;
  for (int i = 0; i < 20; ++i) fields >> field;
  timespec now = {};
  const long ticks = sysconf(_SC_CLK_TCK);
  if (!fields || ticks <= 0 || clock_gettime(CLOCK_BOOTTIME, &now) != 0) return 0.0;
  const double started = std::stod(field) / static_cast<double>(ticks);
  const double age = static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
  return 1e3 * (age - started);
}

class Worker {
 public:
  Worker(Session session, std::vector<Request> requests, int labels)
      : session_(std::move(session)), requests_(std::move(requests)), labels_(labels) {}

  double run(std::size_t index) { return timed_run(session_, requests_[index]); }

  // Every request once, and at least 20 runs or 2 seconds.
  void warm_up() {
    const auto end = Clock::now() + std::chrono::duration<double>(kWarmSeconds);
    for (int done = 0;
         done < static_cast<int>(requests_.size()) || (done < kWarmRuns && Clock::now() < end);
         ++done) {
      run(advance());
    }
  }

  Json answer(const std::string& line) {
    std::istringstream words(line);
    std::string command;
    words >> command;
    if (command == "block") {
      double seconds = 0.0;
      if (words >> seconds) return {{"latencies_ms", block(seconds)}};
    } else if (command == "batches") {
      std::vector<std::size_t> indices;
      for (std::size_t index = 0; words >> index && index < requests_.size();) {
        indices.push_back(index);
      }
      if (words.eof() && !indices.empty()) return {{"latencies_ms", batches(indices)}};
    } else if (command == "labels") {
      return {{"labels", labels()}};
    }
    return {{"error", "unknown command: " + line}};
  }

 private:
  std::size_t advance() {
    const std::size_t index = next_;
    next_ = (next_ + 1) % requests_.size();
    return index;
  }

  std::vector<double> block(double seconds) {
    run(next_);
    std::vector<double> latencies;
    const auto end = Clock::now() + std::chrono::duration<double>(seconds);
    do {
      latencies.push_back(run(advance()));
    } while (Clock::now() < end);
    return latencies;
  }

  std::vector<double> batches(const std::vector<std::size_t>& indices) {
    run(indices.front());
    std::vector<double> latencies;
    latencies.reserve(indices.size());
    for (const std::size_t index : indices) latencies.push_back(run(index));
    return latencies;
  }

  Json labels() {
    Json all = Json::array();
    for (const Request& request : requests_) {
      const std::span<const float> logits = run_request(session_, request);
      Json best = Json::array();
      for (int sample = 0; sample < request.samples(); ++sample) {
        const float* const row = logits.data() + static_cast<std::ptrdiff_t>(sample) * labels_;
        best.push_back(std::max_element(row, row + labels_) - row);
      }
      all.push_back(std::move(best));
    }
    return all;
  }

  Session session_;
  std::vector<Request> requests_;
  int labels_;
  std::size_t next_ = 0;
};

}  // namespace

void follow(const std::string& model, const StudyOptions& options, std::istream& in,
            std::ostream& out) {
  const SharedFlags& flags = options.flags;
  const int threads = options.threads.front();
  const int batch = options.batches.front();
  StudyOptions one_case = options;
  one_case.batches = {batch};
  one_case.seq_lens = {options.seq_lens.front()};
  Workload work = make_workload({&model, 1}, one_case);
  const Contestant contestant =
      open_contestant(model, flags, std::max(work.most_tokens, 1), batch, work.longest);
  if (work.by_batch.empty()) {
    work.by_batch.push_back(
        {random_request(batch, work.longest, contestant.vocab_size, flags.seed)});
  }
  std::vector<Request> requests = std::move(work.by_batch.front());
  const std::size_t count = requests.size();
  int samples = 0;
  for (const Request& request : requests) samples += request.samples();
  Worker worker(make_session(contestant, threads, options.pin), std::move(requests),
                contestant.plan->label_count());
  const double first_run = worker.run(0);
  const double age = process_age_ms();
  worker.warm_up();
  write_json_line(out, {{"ready", true},
                        {"model", model},
                        {"load_ms", contestant.load_ms},
                        {"first_run_ms", first_run},
                        {"first_answer_ms", age},
                        {"batches", count},
                        {work.images ? "images" : "texts", samples},
                        {"settings",
                         {{"version", kVersion},
                          {"scheme", contestant.scheme},
                          {"device", name(contestant.plan->device())},
                          {"isa", name(contestant.plan->isa())},
                          {"threads", threads},
                          {"pinned", options.pin ? "yes" : "no"}}}});
  out.flush();
  for (std::string line; std::getline(in, line) && line != "quit";) {
    write_json_line(out, worker.answer(line));
    out.flush();
  }
}

}  // namespace qe::tools
