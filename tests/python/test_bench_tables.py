"""The benchmarks' pure parts: which bursts count, ratios, tables; and the order of an interleaved run."""

import math

import numpy as np
import pytest
from benchmarks import summary, tables
from benchmarks.calibration import Calibration, Calibrator
from benchmarks.engine_list import CAPS, ENGINES, engines_for
from benchmarks.interleave import Effort, interleave
from benchmarks.job import CALIBRATION_IMAGES, Job
from benchmarks.process import WorkerError
from benchmarks.summary import Burst


def test_the_first_call_of_a_burst_warms_up():
    found = summary.summarize([Burst([9.0, 0.002, 0.004], 0, 1), Burst([9.0, 0.003], 1, 2)], [1.0, 1.0, 1.0])
    assert found == {
        "median_ms": 3.0,
        "min_ms": 2.0,
        "calls": 3,
        "bursts": 2,
        "discarded": 0,
        "noisy": False,
    }


def test_a_burst_beside_a_slow_calibration_is_discarded():
    bursts = [Burst([1.0, 0.010], 0, 1), Burst([1.0, 0.001], 1, 2), Burst([1.0, 0.030], 2, 3)]
    found = summary.summarize(bursts, [1.0, 1.0, 0.5, 1.0])
    assert (found["median_ms"], found["discarded"], found["calls"]) == (10.0, 2, 1)


def test_a_burst_that_waited_for_a_cpu_is_discarded():
    bursts = [Burst([0.04, 0.06], 0, 0, waited=0.006), Burst([0.04, 0.07], 0, 0, waited=0.005)]
    found = summary.summarize(bursts, [1.0])
    assert (found["median_ms"], found["discarded"]) == (70.0, 1)


def test_where_every_burst_was_disturbed_the_calmest_quarter_counts_and_it_is_said():
    bursts = [Burst([1.0, 0.01 * (i + 1)], 0, 1, waited=0.5 - 0.1 * i) for i in range(5)]
    found = summary.summarize(bursts, [0.5, 1.0])
    assert (found["median_ms"], found["discarded"], found["noisy"]) == (45.0, 5, True)


def test_speed_is_the_lower_of_clock_and_rate_against_the_upper_quartile():
    clocks, rates = [4.0, 4.0, 4.0, 2.0, 4.0], [1.0, 1.0, 0.25, 1.0, 1.0]
    assert summary.speeds(clocks, rates) == [1.0, 1.0, 0.25, 0.5, 1.0]
    assert summary.speeds([4.0, 2.0, 4.0, 4.0], [0.0] * 4) == [1.0, 0.5, 1.0, 1.0]  # a CPU without a probe


def test_ratio_is_to_the_fastest_peer_that_ran():
    engines = {
        "icepoint": {"median_ms": 2.0},
        "a": {"median_ms": 5.0},
        "b": {"median_ms": 3.0},
        "c": {"failed": "no wheel"},
    }
    assert summary.best(engines, ["a", "b", "c"], "median_ms") == "b"
    assert summary.ratio(engines, "icepoint", ["a", "b", "c"], "median_ms") == 1.5
    assert summary.ratio(engines, "icepoint", ["c"], "median_ms") is None
    assert summary.ratio(engines, "c", ["a"], "median_ms") is None


def test_rates_and_noise():
    assert summary.tops(macs=4_000_000_000, batch=2, milliseconds=8.0) == pytest.approx(2.0)
    x = np.array([3.0, 4.0], np.float32)
    assert summary.sqnr(x, x) is None
    assert summary.sqnr(x, x + np.array([0.3, 0.4], np.float32)) == pytest.approx(20.0, abs=1e-4)


def test_an_answer_far_below_the_8_bit_peers_is_said():
    engines = {"icepoint": {"sqnr_db": 25.0}, "torch_int8_fx": {"sqnr_db": 30.0}, "a_f32": {"sqnr_db": 120.0}}
    assert len(summary.warnings(engines)) == 1 and "25.0 dB" in summary.warnings(engines)[0]
    assert summary.warnings({**engines, "openvino_int8": {"sqnr_db": 27.5}}) == []
    assert summary.warnings({"icepoint": {"sqnr_db": 5.0}, "openvino_int8": {"failed": "x"}}) == []


def _result() -> dict:
    row = {
        "noisy": False,
        "images_per_second": 1.0,
        "tops": 0.5,
        "percent_of_peak": 40.0,
        "peak_memory_mb": 300.0,
        "network_memory_mb": 30.0,
        "ready_seconds": 0.123,
        "calls": 1200,
        "bursts": 9,
        "discarded": 2,
    }
    return {
        "title": "Toy",
        "batch": 1,
        "threads": 1,
        "isa": "avx2",
        "peak_tops": 1.25,
        "warnings": [],
        "engines": {
            "icepoint": {**row, "title": "icepoint", "median_ms": 0.5, "min_ms": 0.25, "sqnr_db": 40.0},
            "torch_f32": {**row, "title": "torch", "median_ms": 1500.0, "min_ms": 1.0, "sqnr_db": None},
            "openvino_int8": {"title": "OpenVINO", "failed": "ImportError: a | b"},
        },
        "ratios": {
            "icepoint": {
                "best_peer": "torch_f32",
                "to_best_peer_median": 3000.0,
                "to_best_peer_min": 4.0,
                "to_torch_fp32_median": 3000.0,
                "to_torch_fp32_min": 4.0,
            }
        },
        "executable": {"icepoint": {"median_ms": 0.45, "min_ms": 0.2}},
        "layers": {
            "icepoint": [
                {"layer": "conv1", "op": "qconv2d", "shape": [8, 4, 4], "us": 300.0, "macs": 75_000_000},
                {"layer": "relu1", "op": "clamp", "shape": [8, 4, 4], "us": 0.0, "macs": 0},
                {"layer": "pool", "op": "qmax_pool2d", "shape": [8, 2, 2], "us": 100.0, "macs": 0},
            ]
        },
        "calibration": {
            when: {"clock_ghz": 4.9, "int8_tops": {"avx2": 1.25}, "read_gbs": 50.0}
            for when in ("before", "after")
        },
    }  # fmt: skip


def test_the_engine_table_has_the_fastest_first_and_the_missing_below():
    table = tables.engine_table(_result())
    assert table.title == "Toy, batch 1, 1 thread, avx2 forced"
    assert [row[0] for row in table.rows] == [
        "icepoint",
        "torch",
        "icepoint, executable (not counted)",
    ]
    assert table.notes == ["OpenVINO did not run: ImportError: a | b"]
    assert table.markdown().endswith("|\n\nOpenVINO did not run: ImportError: a | b\n")
    assert table.rows[0][1:6] == ["0.5000", "0.2500", "1.000", "0.500", "40 %"]
    assert table.rows[1][1] == "1,500"
    assert {len(row) for row in table.rows} == {len(table.columns)}


def test_the_ratio_table_says_where_icepoint_did_not_run():
    result = _result()
    assert tables.ratio_table([result]).rows[0][4:] == ["torch", "3000.00x", "4.00x", "3000.00x", "40 %"]
    result["engines"]["icepoint"] = {"title": "icepoint", "failed": "ValueError: no"}
    assert tables.ratio_table([result]).rows[0][2] == "did not run"


def test_the_layer_table_leaves_out_what_took_no_time():
    rows = tables.layer_table(_result(), "icepoint").rows
    assert rows[0] == ["conv1", "qconv2d", "8 x 4 x 4", "300.0", "75.0 %", "0.500", "40 %"]
    assert [row[0] for row in rows] == ["conv1", "pool"]


def test_markdown_has_one_cell_a_column():
    markdown = tables.calibration_table([_result()]).markdown().splitlines()
    assert markdown[0] == "### Calibration"
    assert markdown[3] == "| --- | --- | --- | ---: | ---: |"
    assert {line.count("|") for line in markdown[2:]} == {6}


@pytest.mark.parametrize(
    ("value", "text"), [(0.0196213, "0.01962"), (27.4371, "27.44"), (999.96, "1,000"), (12345.6, "12,346")]
)
def test_numbers_have_four_digits(value, text):
    assert tables.number(value) == text


class _Clock:
    """Stands in for workers and calibrator alike and keeps who was asked, in order."""

    def __init__(self):
        self.asked = []
        self.wait = 0.001

    def worker(self, name):
        def burst(count):
            self.asked.append(name)
            return [0.05] * count, self.wait

        return type("Worker", (), {"burst": staticmethod(burst)})()

    def measure(self, threads):
        self.asked.append("calibrate")
        return Calibration(4.0, {"avx2": float(threads)})


def test_rounds_begin_with_another_engine_and_every_burst_stands_between_calibrations():
    clock = _Clock()
    workers = {name: clock.worker(name) for name in "abc"}
    found = interleave(workers, clock, threads=1, isa=None, effort=Effort(enough=3, fewest=1, burst=0.1))
    warm_up = 2 * len(workers)
    order = [item for name in "abcbcacab" for item in (name, "calibrate")]
    assert clock.asked[warm_up:] == ["calibrate", *order]
    assert [(b.before, b.after) for b in found.bursts["a"]] == [(0, 1), (5, 6), (7, 8)]
    assert all(len(b.seconds) == 3 for b in found.bursts["a"])  # 0.1 s of 0.05 s, and one to warm up
    assert [b.waited for b in found.bursts["c"]] == [0.001] * 3
    assert len(found.calibrations) == 10


def test_rounds_go_on_while_engines_are_disturbed_and_time_is_left():
    clock = _Clock()
    clock.wait = 0.1
    found = interleave({"a": clock.worker("a")}, clock, 1, None, Effort(enough=1, fewest=2, seconds=0.05))
    assert len(found.bursts["a"]) >= 2 and found.undisturbed(None) == 0
    assert interleave({}, clock, 1, None, Effort()).bursts == {}


def test_an_engine_that_ends_on_the_way_does_not_end_the_run():
    clock = _Clock()
    workers = {name: clock.worker(name) for name in "ab"}
    good, left = workers["b"].burst, iter([True, True, True, False])

    def burst(count):
        if not next(left):
            raise WorkerError("killed")
        return good(count)

    workers["b"].burst = burst
    found = interleave(workers, clock, 1, None, Effort(enough=3, fewest=3, burst=0.1))
    assert found.failures == {"b": "killed"}
    assert list(found.bursts) == ["a"] and len(found.bursts["a"]) == 3


def test_a_job_survives_its_text_and_gives_whole_batches(tmp_path):
    job = Job("icepoint", "mnist", 24, 1, str(tmp_path))
    assert Job.from_json(job.to_json()) == job
    np.save(job.path("calibration.npy"), np.zeros((CALIBRATION_IMAGES, 1, 2, 2), np.float32))
    assert [b.shape for b in job.calibration_batches()] == [(24, 1, 2, 2)] * 2
    large = Job("icepoint", "mnist", 2 * CALIBRATION_IMAGES + 1, 1, str(tmp_path))
    assert [len(b) for b in large.calibration_batches()] == [2 * CALIBRATION_IMAGES + 1]


def test_under_a_cap_only_engines_that_obey_it_run():
    assert "openvino_int8" in engines_for("vgg16", None, quick=False)
    assert "icepoint_w4" in engines_for("vgg16", None, quick=False)
    assert "icepoint_w4" not in engines_for("mnist", None, quick=False)
    for isa in CAPS:
        assert all(ENGINES[name].capped for name in engines_for("vgg16", isa, quick=False))
    assert engines_for("mnist", None, quick=True, wanted=["icepoint", "torch_int8_pt2e"]) == ["icepoint"]


def test_the_calibration_measures_this_cpu(tmp_path):
    calibrator = Calibrator(tmp_path)
    found = calibrator.measure(threads=2, milliseconds=0.2, memory_mb=1)
    calibrator.close()
    assert found.clock_ghz > 0 and found.read_gbs > 0
    assert all(rate > 0 for rate in found.int8_tops.values())
    assert found.tops(None) == next(iter(found.int8_tops.values()), 0.0)
    assert found.tops("no such set") == 0.0
    assert math.isfinite(found.clock_ghz)
