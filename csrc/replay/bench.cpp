// `icepoint bench`: how long a batch takes, as a distribution, and where the time goes.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <iostream>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "replay/commands.h"
#include "replay/resident.h"
#include "replay/session.h"
#include "replay/text.h"
#include "runtime/table.h"
#include "runtime/threads.h"

namespace icepoint {
namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  Common common;
  int64_t batch = 1;
  double seconds = 2;
  bool per_layer = false;
};

/// Reproducible codes within each input's range, so that no branch sees only zeros.
std::vector<std::vector<uint8_t>> make_inputs(const Model& model, int64_t n) {
  constexpr int64_t kMaxBytes = int64_t{1} << 32;  // rather refuse than fill the memory
  std::vector<std::vector<uint8_t>> inputs;
  uint32_t state = 1;
  for (size_t i = 0; i < model.file().graph.inputs.size(); ++i) {
    const auto codes = static_cast<uint32_t>(model.file().graph.inputs[i].q.qmax()) + 1;
    require(model.input_count(i) <= kMaxBytes / n, "bench: a batch of ", n, " inputs is more than ",
            kMaxBytes, " bytes");
    inputs.emplace_back(static_cast<size_t>(n * model.input_count(i)));
    for (uint8_t& code : inputs.back()) {
      state = state * 1664525u + 1013904223u;  // Numerical Recipes' generator; its high bits are good
      code = static_cast<uint8_t>((state >> 16) % codes);
    }
  }
  return inputs;
}

/// Sorted seconds of each timed run; the first tenth of the time warms up and is not kept.
std::vector<double> measure(const Model& model, const Options& options) {
  const auto inputs = make_inputs(model, options.batch);
  std::vector<std::vector<uint8_t>> outputs;
  std::vector<const uint8_t*> x;
  std::vector<uint8_t*> y;
  for (size_t i = 0; i < model.file().graph.outputs.size(); ++i)
    outputs.emplace_back(static_cast<size_t>(options.batch * model.output_count(i)));
  for (const auto& input : inputs) x.push_back(input.data());
  for (auto& output : outputs) y.push_back(output.data());

  constexpr size_t kMinRuns = 5, kMaxRuns = 10'000'000;
  std::vector<double> seconds;
  const auto run_for = [&](double limit, size_t at_least) {
    seconds.clear();
    const auto begin = Clock::now();
    for (auto now = begin; seconds.size() < kMaxRuns;) {
      model.run_codes(x, options.batch, y);
      const auto end = Clock::now();
      seconds.push_back(std::chrono::duration<double>(end - now).count());
      now = end;
      if (std::chrono::duration<double>(end - begin).count() >= limit && seconds.size() >= at_least) break;
    }
  };
  run_for(options.seconds / 10, 1);
  run_for(options.seconds, kMinRuns);
  std::sort(seconds.begin(), seconds.end());
  return seconds;
}

/// The nearest-rank percentile of sorted values.
double percentile(const std::vector<double>& sorted, double p) {
  const auto rank = static_cast<size_t>(std::ceil(p / 100 * static_cast<double>(sorted.size())));
  return sorted[std::max<size_t>(rank, 1) - 1];
}

nlohmann::ordered_json distribution(const std::vector<double>& seconds, int64_t batch) {
  double total = 0;
  for (const double s : seconds) total += s;
  const double images = static_cast<double>(batch) * static_cast<double>(seconds.size());
  return {{"threads", num_threads()},
          {"runs", seconds.size()},
          {"min_us", seconds.front() * 1e6},
          {"median_us", percentile(seconds, 50) * 1e6},
          {"p90_us", percentile(seconds, 90) * 1e6},
          {"p99_us", percentile(seconds, 99) * 1e6},
          {"images_per_second", images / total}};
}

nlohmann::ordered_json layers(const Model& model, const Options& options, double run_seconds) {
  const int repeats =
      static_cast<int>(std::clamp(options.seconds / std::max(run_seconds, 1e-9), 5.0, 10000.0));
  const std::vector<double> seconds = model.profile(options.batch, repeats);
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  const auto& nodes = model.file().graph.nodes;
  for (size_t i = 0; i < nodes.size(); ++i)
    list.push_back(
        {{"layer", nodes[i].name}, {"op", op_name(nodes[i].op)}, {"us", seconds[i] / repeats * 1e6}});
  return list;
}

void print_runs(const nlohmann::ordered_json& result) {
  const auto mib = [&](const char* name) { return decimal(result[name].get<double>() / (1 << 20), 1); };
  std::cout << "batch " << result["batch"].get<int64_t>() << ", " << result["isa"].get<std::string>()
            << " kernels; loaded in " << decimal(result["load_seconds"].get<double>(), 2) << " s, "
            << mib("loaded_bytes") << " MiB in memory (packed weights " << mib("packed_bytes")
            << ", activations of one image " << mib("arena_bytes") << ")\n\n";
  Table runs({">threads", ">runs", ">min us", ">median us", ">p90 us", ">p99 us", ">images/s"});
  const auto number = [](const nlohmann::ordered_json& value) { return decimal(value.get<double>(), 1); };
  for (const auto& r : result["runs"])
    runs.add({std::to_string(r["threads"].get<int>()), std::to_string(r["runs"].get<size_t>()),
              number(r["min_us"]), number(r["median_us"]), number(r["p90_us"]), number(r["p99_us"]),
              decimal(r["images_per_second"].get<double>(), 0)});
  runs.print(std::cout);
  if (!result.contains("layers")) return;
  double total = 0;
  for (const auto& l : result["layers"]) total += l["us"].get<double>();
  Table table({"layer", "op", ">us a batch", ">share"});
  for (const auto& l : result["layers"])
    table.add({l["layer"].get<std::string>(), l["op"].get<std::string>(), number(l["us"]),
               decimal(total > 0 ? l["us"].get<double>() / total * 100 : 0, 1) + " %"});
  std::cout << '\n';
  table.print(std::cout);
}

void run(const Options& options) {
  require(std::isfinite(options.seconds),
          "bench: --seconds has to be a number");  // CLI11's range lets NaN pass
  const int64_t before = resident_bytes();
  const auto start = Clock::now();
  const Session session(options.common);
  const double load_seconds = std::chrono::duration<double>(Clock::now() - start).count();
  nlohmann::ordered_json result{{"model", options.common.model},
                                {"digest", session.file().digest},
                                {"isa", session.model().isa().name},
                                {"batch", options.batch},
                                {"load_seconds", load_seconds},
                                {"packed_bytes", session.model().weight_bytes()},
                                {"arena_bytes", session.model().arena_bytes()},
                                {"loaded_bytes", resident_bytes() - before}};
  // Without --threads both ends are of interest: one thread, and all that there are.
  const int all = num_threads();
  std::vector<int> counts{all};
  if (options.common.threads == 0 && all > 1) counts.insert(counts.begin(), 1);
  for (const int threads : counts) {
    set_num_threads(threads);
    result["runs"].push_back(distribution(measure(session.model(), options), options.batch));
  }
  if (options.per_layer)
    result["layers"] =
        layers(session.model(), options, result["runs"].back()["median_us"].get<double>() * 1e-6);
  if (options.common.json)
    print_json(result);
  else
    print_runs(result);
}

}  // namespace

void add_bench(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("bench", "Median, p90, p99 and images per second, codes in to codes out");
  const auto options = std::make_shared<Options>();
  options->common.add_to(*command);
  command->add_option("--batch", options->batch, "Images at once")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str()
      ->type_name("N");
  command
      ->add_option("--seconds", options->seconds,
                   "Time for each measurement, after a tenth of it for warming up")
      ->check(CLI::Range(0.001, 3600.0))
      ->capture_default_str()
      ->type_name("S");
  command->add_flag("--per-layer", options->per_layer, "Time of each layer too");
  command->footer(
      "Without --threads it measures one thread and all CPUs.\n\n"
      "Example:\n  icepoint bench model.ice --batch 16 --per-layer --seconds 5");
  command->callback([options] { run(*options); });
}

}  // namespace icepoint
