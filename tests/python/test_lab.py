"""icepoint.lab prints the lab's lines to the character, and the roads from a file agree in bytes."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

import icepoint
from icepoint import flowers, lab
from icepoint.drawn_flowers import write_drawn_flowers
from icepoint.models import Vgg
from small_model import run, run_json

# The lab's own format strings: the judge here, and written nowhere else in this form.
STARS = "*" * 50 + "\n"
TITLES = {
    "full_inference": "Start full inference\n",
    "direct_quantize": "Start quantize\n",
    "quantize_inference": "Start quantize inference\n",
}
PICTURE = "Start inference: {}\nPredict probability: {}\nInference result: {}\n\n"
SIZE = 32


def small(**options) -> Vgg:
    torch.manual_seed(52)
    net = Vgg(**{"width": 1 / 16, "image_size": SIZE, "hidden": 16} | options).eval()
    for parameter in net.parameters():
        if parameter.dim() > 1:
            torch.nn.init.kaiming_normal_(parameter, nonlinearity="relu")
    return net


def expected(title: str, dataset, probabilities: np.ndarray) -> str:
    lines = []
    for (path, label), p in zip(dataset, probabilities, strict=True):
        with np.printoptions(suppress=True):
            lines.append(PICTURE.format(path, np.around(p[None], 4), int(p.argmax()) == label))
    return STARS + TITLES[title] + "".join(lines)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flowers")
    write_drawn_flowers(folder, count=3, size=50)
    (folder / "dandelion").mkdir()  # flower_photos has this fifth kind
    (folder / "daisy" / "LICENSE.txt").write_text("no picture")
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "vgg.pt"
    torch.save(small().state_dict(), path)
    return path


def test_resize_image_lays_a_scaled_picture_top_left_on_grey():
    for h, w, target, inside in (
        (20, 40, (10, 10), (5, 10)),
        (50, 20, (30, 40), (30, 12)),
        (7, 7, (21, 21), (21, 21)),
        (300, 1, (8, 8), (8, 1)),  # a side never vanishes
    ):
        found = lab.resize_image(np.full((h, w, 3), 200, np.uint8), target)
        want = np.full((*target, 3), 114, np.uint8)
        want[: inside[0], : inside[1]] = 200
        assert found.dtype == np.uint8 and np.array_equal(found, want)
    with pytest.raises(ValueError, match="unpack"):
        lab.resize_image(np.zeros((5, 5, 3), np.uint8), (4,))


def test_process_image(tmp_path):
    pixels = np.arange(224 * 224 * 3, dtype=np.uint32).reshape(224, 224, 3).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    x = lab.process_image(tmp_path / "a.png")
    assert x.shape == (1, 3, 224, 224) and x.dtype == torch.float32
    want = (pixels.astype(np.float64) - [125.307, 122.961, 113.8575]) / [51.5865, 50.847, 51.255]
    assert np.abs(x.numpy()[0] - want.transpose(2, 0, 1)).max() < 1e-6
    assert lab.process_image(tmp_path / "a.png", 96).shape == (1, 3, 96, 96)
    with pytest.raises(FileNotFoundError):
        lab.process_image(tmp_path / "b.jpg")


def test_pictures_of_class_folders(folder, tmp_path):
    found = flowers.pictures_of(folder)
    assert [label for _, label in found] == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3
    assert found[3] == (str(folder / "roses" / "000.png"), 1)
    assert flowers.pictures_of(folder, 1) == found[::3]
    (tmp_path / "daisy").mkdir()
    assert flowers.classes_of(folder, 4) == flowers.CLASSES
    for name in (*flowers.CLASSES[1:], "violets"):
        (tmp_path / "mixed" / name).mkdir(parents=True)
    with pytest.raises(
        ValueError, match=r"4 classes \(daisy, .*found 4 folders: roses, sunflowers, tulips, violets"
    ):
        flowers.classes_of(tmp_path / "mixed", 4)
    with pytest.raises(FileNotFoundError, match=r"daisy: expected JPEG or PNG files; .*tulips"):
        flowers.pictures_of(tmp_path)


def test_the_three_loops_print_the_labs_lines(folder, capsys):
    net, dataset = small(), flowers.pictures_of(folder, 2)
    x = torch.cat([lab.process_image(path, SIZE) for path, _ in dataset])
    found = {"full_inference": lab.full_inference(net, dataset)}
    assert capsys.readouterr().out == expected("full_inference", dataset, found["full_inference"])
    assert np.allclose(found["full_inference"], net(x).softmax(1).detach().numpy(), atol=1e-6)
    net.quantize(num_bits=8)
    for title in ("direct_quantize", "quantize_inference"):
        found = getattr(lab, title)(net, dataset)
        assert capsys.readouterr().out == expected(title, dataset, found)
        assert found.shape == (8, 4) and np.allclose(found.sum(1), 1, atol=1e-6)
        net.freeze()
    assert np.array_equal(found, net.quantize_inference(x).softmax(1).numpy())


def test_main_prints_three_loops_over_one_picture_a_class(folder, weights, tmp_path, capsys):
    out = tmp_path / "flowers.ice"
    assert lab.main(["--data", str(folder), "--weights", str(weights), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    blocks = printed.split(STARS)
    assert blocks[0] == "" and [block.split("\n")[0] + "\n" for block in blocks[1:]] == list(TITLES.values())
    paths = [path for path, _ in flowers.pictures_of(folder, 1)]
    for block in blocks[1:]:
        assert [line[17:] for line in block.split("\n") if line.startswith("Start inference: ")] == paths
        assert block.count("Inference result: ") == 4 and block.endswith("\n\n")
    run("verify", out)


def test_main_over_all_pictures_calibrated_on_others(folder, weights, capsys):
    arguments = ["--data", str(folder), "--weights", str(weights), "--all", "--calibration", str(folder)]
    assert lab.main([*arguments, "--num-bits", "6"]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    right = [block.count("Inference result: True") for block in "\n".join(lines).split("*" * 50)[1:]]
    assert last == f"Right of 12: float {right[0]}, integers {right[2]}"


def test_main_draws_flowers_where_there_are_no_photographs(weights, monkeypatch, capsys):
    monkeypatch.setattr(flowers, "photographs", lambda split: None)
    assert lab.main(["--weights", str(weights)]) == 0
    first, rest = capsys.readouterr().out.split("\n", 1)
    assert first == "No photographs are at hand (--data DIR): these flowers are drawn."
    assert rest.startswith(STARS) and rest.count("Start inference: ") == 12


def test_main_takes_other_classes_by_the_names_of_their_folders(folder, tmp_path, capsys):
    for number, name in enumerate(["plum", "apple", "pear"]):
        shutil.copytree(folder / flowers.CLASSES[number], tmp_path / "fruit" / name)
    (tmp_path / "fruit" / "LICENSE.txt").write_text("no folder")
    torch.save(small(num_classes=3).state_dict(), tmp_path / "vgg.pt")
    arguments = ["--data", str(tmp_path / "fruit"), "--weights", str(tmp_path / "vgg.pt")]
    assert lab.main([*arguments, "--all", "--out", str(tmp_path / "fruit.ice")]) == 0
    printed = capsys.readouterr().out
    starts = [line.split("/")[-2] for line in printed.splitlines() if line.startswith("Start inference:")]
    assert starts == 3 * [name for name in ("apple", "pear", "plum") for _ in range(3)]
    assert icepoint.load(tmp_path / "fruit.ice").recipe.classes == ("apple", "pear", "plum")
    (tmp_path / "fruit" / "quince").mkdir()
    assert lab.main(arguments) == 1
    assert "each of the network's 3 classes, found 4 folders" in capsys.readouterr().err


def test_main_refuses_in_one_line_what_are_no_weights(folder, tmp_path, capsys):
    files = {"text": b"hello", "empty": b"", "zip": b"PK\x03\x04 broken"}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    torch.save({"conv1.weight": torch.zeros(3)}, tmp_path / "other")
    for name in (*files, "other"):
        assert lab.main(["--data", str(folder), "--weights", str(tmp_path / name)]) == 1
        found = capsys.readouterr()
        assert found.out == "" and found.err.count("\n") == 1
        assert f"icepoint.lab: {tmp_path / name}: " in found.err and "state_dict" in found.err


def test_main_says_before_it_computes_that_it_cannot_save(folder, weights, tmp_path, capsys):
    arguments = ["--data", str(folder), "--weights", str(weights), "--out", str(tmp_path / "none" / "a.ice")]
    assert lab.main(arguments) == 1
    found = capsys.readouterr()
    assert found.out == "" and "there is no folder" in found.err


@pytest.mark.parametrize("missing", ["--data", "--weights"])
def test_main_refuses_in_one_line(folder, weights, tmp_path, missing, capsys):
    arguments = {"--data": folder, "--weights": weights} | {missing: tmp_path / "nothing"}
    assert lab.main([str(part) for pair in arguments.items() for part in pair]) == 1
    found = capsys.readouterr()
    assert found.out == "" and found.err.startswith("icepoint.lab: ") and found.err.count("\n") == 1
    assert "nothing" in found.err


def test_from_the_file_to_the_logits_the_executable_gives_the_same_bytes(folder, tmp_path):
    """Pictures of 50 x 50 go through the recipe's resize in both."""
    net, dataset = small(), flowers.pictures_of(folder)
    _, _, frozen = lab.run(net, dataset)
    frozen.save(tmp_path / "flowers.ice")
    x = torch.cat([lab.process_image(path, SIZE) for path, _ in dataset])
    paths = [path for path, _ in dataset]
    run_json("run", tmp_path / "flowers.ice", *paths,
             "--raw", tmp_path / "codes.npy", "--output", tmp_path / "y.npy")  # fmt: skip
    assert np.array_equal(np.load(tmp_path / "codes.npy"), frozen.codes(x).numpy())
    assert np.load(tmp_path / "y.npy").tobytes() == net.quantize_inference(x).numpy().tobytes()
