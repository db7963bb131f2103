// `icepoint eval`: accuracy over labelled pictures, and the digest of all outputs.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "format/digest.h"
#include "replay/commands.h"
#include "replay/confusion.h"
#include "replay/dataset.h"
#include "replay/progress.h"
#include "replay/text.h"
#include "runtime/answers.h"
#include "runtime/table.h"
#include "runtime/threads.h"

namespace icepoint {
namespace {

struct Options {
  Common common;
  std::string folder;
  std::vector<std::string> idx;
  int64_t batch = 64;
};

struct Totals {
  Confusion confusion;
  double seconds = 0;  // inside the model, without reading files
  std::string sha256;  // of all output codes, sample by sample
};

Totals evaluate(const Dataset& data, const Session& session, int64_t batch) {
  const Model& model = session.model();
  const int64_t classes = model.output_count(0), n = data.size();
  const auto each = static_cast<size_t>(classes);
  std::vector<uint8_t> codes(session.outputs_of(n)), input;
  std::vector<float> reals(static_cast<size_t>(std::min(batch, n)) * each);
  Totals totals{Confusion(classes), 0, {}};
  Progress progress("eval", n);
  for (int64_t begin = 0; begin < n; begin += batch) {
    const int64_t count = std::min(batch, n - begin);
    input.resize(static_cast<size_t>(count * model.input_count(0)));
    data.codes(begin, count, input.data());
    uint8_t* const y = &codes[static_cast<size_t>(begin) * each];
    const uint8_t* const inputs[] = {input.data()};
    uint8_t* const y_codes[] = {y};
    float* const y_reals[] = {reals.data()};
    const auto start = std::chrono::steady_clock::now();
    model.run_both(inputs, count, y_codes, y_reals);
    totals.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    for (int64_t i = 0; i < count; ++i) {
      const int64_t truth = data.label(begin + i);
      require(truth < classes, "labels[", begin + i, "]: ", truth, " is not in 0..", classes - 1);
      totals.confusion.add(truth, best({&reals[static_cast<size_t>(i) * each], each}));
    }
    progress.update(begin + count);
  }
  totals.sha256 = sha256(codes);
  return totals;
}

nlohmann::ordered_json to_json(const Options& options, const Session& session, const Totals& totals) {
  const Confusion& c = totals.confusion;
  nlohmann::ordered_json matrix = nlohmann::ordered_json::array(), names = nlohmann::ordered_json::array();
  for (int64_t truth = 0; truth < c.classes(); ++truth) {
    names.push_back(session.class_name(truth));
    nlohmann::ordered_json row = nlohmann::ordered_json::array();
    for (int64_t answer = 0; answer < c.classes(); ++answer) row.push_back(c.at(truth, answer));
    matrix.push_back(std::move(row));
  }
  return {{"model", options.common.model},
          {"digest", session.file().digest},
          {"isa", session.model().isa().name},
          {"threads", num_threads()},
          {"images", c.total()},
          {"correct", c.correct()},
          {"accuracy", static_cast<double>(c.correct()) / static_cast<double>(c.total())},
          {"images_per_second", static_cast<double>(c.total()) / totals.seconds},
          {"output_sha256", totals.sha256},
          {"classes", std::move(names)},
          {"confusion", std::move(matrix)}};
}

void run(const Options& options) {
  require(
      options.folder.empty() != options.idx.empty(),
      "eval: expected either a folder of class folders or --idx IMAGES LABELS (see icepoint eval --help)");
  const Session session(options.common);
  session.require_single("eval");
  require(session.output(0).shape.size() == 1, "eval: the model's output is ",
          to_string(session.output(0).shape), ", expected one number for each class");
  constexpr int64_t kMaxClasses = 4096;  // whose confusion matrix takes 128 MiB
  require_range(session.model().output_count(0), 1, kMaxClasses, "eval: classes");
  const auto data = options.idx.empty() ? open_class_folders(options.folder, session)
                                        : open_idx_pair(options.idx[0], options.idx[1], session);
  require(data->size() > 0, "eval: there are no images in ",
          options.idx.empty() ? options.folder : options.idx[0]);
  const Totals totals = evaluate(*data, session, options.batch);
  if (options.common.json) return print_json(to_json(options, session, totals));

  const double images = static_cast<double>(totals.confusion.total());
  const double correct = static_cast<double>(totals.confusion.correct());
  std::cout << "accuracy   " << decimal(correct / images * 100, 2) << " %  (" << decimal(correct, 0) << " of "
            << decimal(images, 0) << ")\n"
            << "speed      " << decimal(images / totals.seconds, 0) << " images/s  ("
            << session.model().isa().name << ", threads " << num_threads() << ", batch " << options.batch
            << ")\n"
            << "outputs    SHA-256 " << totals.sha256 << "\n\n";
  totals.confusion.print(std::cout, session);
}

}  // namespace

void add_eval(CLI::App& app) {
  CLI::App* command = app.add_subcommand("eval", "Accuracy over class folders of pictures or an IDX pair");
  const auto options = std::make_shared<Options>();
  options->common.add_to(*command);
  command->add_option("folder", options->folder,
                      "Folder with one folder of .png or .jpg files for each class");
  command
      ->add_option("--idx", options->idx, "IDX files of images and labels, plain or .gz, instead of a folder")
      ->expected(2)
      ->type_name("IMAGES LABELS");
  command->add_option("--batch", options->batch, "Images to run at once")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str()
      ->type_name("N");
  command->footer(
      "Example:\n  icepoint eval model.ice --idx t10k-images-idx3-ubyte.gz t10k-labels-idx1-ubyte.gz");
  command->callback([options] { run(*options); });
}

}  // namespace icepoint
