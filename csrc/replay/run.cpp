// `icepoint run`: class, probability and latency of every sample.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "format/digest.h"
#include "format/writer.h"
#include "replay/commands.h"
#include "replay/maps.h"
#include "replay/npy.h"
#include "replay/samples.h"
#include "replay/text.h"
#include "runtime/answers.h"
#include "runtime/table.h"
#include "runtime/threads.h"

namespace icepoint {
namespace {

struct Options {
  Common common;
  std::vector<std::string> inputs;
  std::string output, raw, map;
  int64_t top = 1, batch = 64;
  bool no_latency = false;
};

/// The samples of all files, one after the other.
struct Results {
  std::vector<std::string> names;  // "digit.png", "batch.npy[3]"
  std::vector<uint8_t> codes;      // (n, ...)
  std::vector<float> reals;        // (n, ...), before the output function
  std::vector<double> seconds;     // of one sample: its batch's time over the batch's size
  std::vector<std::string> maps;   // files of --map, else empty
};

void run_file(const std::string& path, const Session& session, int64_t batch, const MapWriter* maps,
              Results& results) {
  const Samples samples = read_samples(path, session);
  const auto before = std::ssize(results.names);
  const size_t each = session.outputs_of(1);
  results.codes.resize(session.outputs_of(before + samples.n));
  results.reals.resize(results.codes.size());
  for (int64_t begin = 0; begin < samples.n; begin += batch) {
    const int64_t n = std::min(batch, samples.n - begin);
    const auto start = std::chrono::steady_clock::now();
    const size_t first = static_cast<size_t>(before + begin) * each;
    run_samples(session, samples, begin, n, &results.codes[first], &results.reals[first]);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    for (int64_t i = begin; i < begin + n; ++i) {
      results.names.push_back(samples.n == 1 ? path : path + "[" + std::to_string(i) + "]");
      results.seconds.push_back(took.count() / static_cast<double>(n));
    }
  }
  for (int64_t i = 0; maps && i < samples.n; ++i)
    results.maps.push_back(
        maps->write(path, i, samples.n, &results.reals[static_cast<size_t>(before + i) * each]));
}

void write_outputs(const Options& options, const Session& session, const Results& results) {
  const int64_t n = std::ssize(results.names);
  const auto batched = [n](Shape shape) {
    shape.insert(shape.begin(), n);
    return shape;
  };
  if (!options.raw.empty())
    save_atomically(options.raw, format_npy(results.codes, batched(session.output(0).shape)));
  if (!options.output.empty())
    save_atomically(options.output, format_npy(session.behind_function(results.reals.data(), n),
                                               batched(session.model().real_shape(0))));
}

std::vector<Answer> answers_of(const Options& options, const Session& session, const Results& results,
                               size_t i) {
  const size_t each = static_cast<size_t>(session.model().output_count(0));
  return top_answers({&results.reals[i * each], each}, session.file().output_function(0), options.top);
}

void print_table(const Options& options, const Session& session, const Results& results) {
  std::vector<std::string> latency;
  if (!options.no_latency)
    for (const double seconds : results.seconds) latency.push_back(decimal(seconds * 1e6, 1) + " us");
  if (classifies(session.file()))
    return print_answers(std::cout, session.file(), results.names, results.reals, options.top, latency);
  std::vector<std::string> titles{"input", "output"};
  if (!results.maps.empty()) titles.push_back("map");
  if (!latency.empty()) titles.push_back(">latency");
  Table table(titles);
  for (size_t i = 0; i < results.names.size(); ++i) {
    std::vector<std::string> row{results.names[i], to_string(session.output(0).shape)};
    if (!results.maps.empty()) row.push_back(results.maps[i]);
    if (!latency.empty()) row.push_back(latency[i]);
    table.add(std::move(row));
  }
  table.print(std::cout);
}

void print_results(const Options& options, const Session& session, const Results& results) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (size_t i = 0; i < results.names.size(); ++i) {
    nlohmann::ordered_json one{{"input", results.names[i]}};
    if (!options.no_latency) one["latency_us"] = results.seconds[i] * 1e6;
    if (!results.maps.empty()) one["map"] = results.maps[i];
    if (classifies(session.file()))
      for (const Answer& a : answers_of(options, session, results, i)) {
        nlohmann::ordered_json answer{{"class", session.class_name(a.index)}, {"index", a.index}};
        if (a.probability) answer["probability"] = *a.probability;
        one["top"].push_back(std::move(answer));
      }
    list.push_back(std::move(one));
  }
  print_json({{"model", options.common.model},
              {"digest", session.file().digest},
              {"isa", session.model().isa().name},
              {"threads", num_threads()},
              {"output_shape", session.output(0).shape},
              {"output_sha256", sha256(results.codes)},
              {"results", std::move(list)}});
}

void run(const Options& options) {
  const Session session(options.common);
  const bool maps = !options.map.empty();
  if (maps && options.output.empty() && options.raw.empty())
    session.require_one_input("run");  // the map is output 0's, whatever else there is
  else
    session.require_single("run");
  const MapWriter writer(options.map, options.inputs, session);
  Results results;
  for (const std::string& path : options.inputs)
    run_file(path, session, options.batch, maps ? &writer : nullptr, results);
  write_outputs(options, session, results);
  if (options.common.json)
    print_results(options, session, results);
  else
    print_table(options, session, results);
}

}  // namespace

void add_run(CLI::App& app) {
  CLI::App* command = app.add_subcommand("run", "Class, probability and latency of pictures or arrays");
  const auto options = std::make_shared<Options>();
  options->common.add_to(*command);
  command
      ->add_option("inputs", options->inputs,
                   ".png, .jpg, .npy, .pt or IDX files (plain or .gz);\nuint8 is pixels, float32 ready input")
      ->required();
  command->add_option("--top", options->top, "Classes to show of each sample")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str()
      ->type_name("K");
  command->add_option("--batch", options->batch, "Samples of one file to run at once")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str()
      ->type_name("N");
  command->add_option("--output", options->output, "Write all outputs, float32 (n, ...)")
      ->type_name("OUT.npy");
  command->add_option("--raw", options->raw, "Write all output codes, uint8 (n, ...)")->type_name("OUT.npy");
  command
      ->add_option(
          "--map", options->map,
          "Write the class of each pixel as a palette PNG, for a model\nthat gives maps; a folder for "
          "several pictures")
      ->type_name("OUT.png");
  command->add_flag("--no-latency", options->no_latency, "Leave out what differs from run to run");
  command->footer(
      "Example:\n  icepoint run model.ice digit.png t10k-images-idx3-ubyte.gz --top 3 --raw codes.npy");
  command->callback([options] { run(*options); });
}

}  // namespace icepoint
