from pathlib import Path

import pytest

from ratatouille.errors import Refusal
from ratatouille.tasks.domainbed import DATA_SETS, prepare
from ratatouille.tasks.domainbed.metadata import rows_of_camelyon
from ratatouille.tasks.source import Row
from tests.ratatouille.tasks.domainbed.test_files import opened
from tests.ratatouille.tasks.domainbed.trees import camelyon

CAMELYON = DATA_SETS["camelyon17-wilds"]
_SLIDES = (
    "004_4 009_1 010_4 012_0 015_1 015_2 016_1 017_1 017_2 017_4 020_2 020_4 021_3 022_4 024_1 024_2 034_3 036_3 "
    "038_2 039_1 040_2 041_0 042_3 044_4 045_1 046_3 046_4 048_1 051_2 052_1 060_3 061_4 062_2 064_0 066_2 067_4 "
    "068_1 072_0 073_1 075_4 080_1 081_4 086_0 086_4 087_0 088_1 089_3 092_1 096_0 099_4"
)
SLIDES = _SLIDES.split()
"""The fifty slides of CAMELYON17 with outlined lesions, ten of each hospital: patient and lymph node."""


def by_hospital(slides: list[str]) -> dict[str, int]:
    return {slide: int(slide[:3]) // 20 for slide in slides}


def test_the_metadata_are_opened_through_a_manifest(tmp_path: Path) -> None:
    folder = camelyon(tmp_path, by_hospital(SLIDES), patches=4)
    prepared = prepare(CAMELYON, tmp_path, tmp_path / "out")
    assert (prepared.manifest, prepared.notes) == (folder / "ratatouille.csv", ())
    data = opened(prepared)
    assert data.holding.domains == CAMELYON.domains
    assert len(data) == 200
    assert [data.labels[data.examples(domain)].sum() for domain in CAMELYON.domains] == [20] * 5
    assert len(set(data.groups)) == 43


def test_no_patient_is_torn_and_every_hospital_can_validate(tmp_path: Path) -> None:
    camelyon(tmp_path, by_hospital(SLIDES))
    data = opened(prepare(CAMELYON, tmp_path, tmp_path / "out"))
    sides = {(group, side) for group, side in zip(data.groups, data.splits(), strict=True)}
    assert len(sides) == 43
    patients = [{data.groups[index] for index in data.examples(name)} for name in CAMELYON.domains]
    validating = [{data.groups[index] for index in data.examples(name, "validation")} for name in CAMELYON.domains]
    assert [len(groups) for groups in patients] == [7, 8, 9, 10, 9]
    assert [len(groups) for groups in validating] == [2, 2, 1, 4, 2]


def test_a_line_becomes_a_row(tmp_path: Path) -> None:
    folder = camelyon(tmp_path, {"004_4": 0}, draw=False)
    name = "patches/patient_004_node_4/patch_patient_004_node_4_x_{}_y_0.png"
    assert rows_of_camelyon(folder) == (
        [
            Row(name.format(0), "normal", "hospital_0", "patient_004"),
            Row(name.format(96), "tumor", "hospital_0", "patient_004"),
        ],
        [],
    )


def test_a_patch_that_is_not_there_is_named_when_the_data_is_opened(tmp_path: Path) -> None:
    folder = camelyon(tmp_path, {"004_4": 0})
    next(folder.rglob("*_x_96_*.png")).unlink()
    with pytest.raises(Refusal, match=r"line 3 of .*ratatouille\.csv' names 'patches/.*', which is not there"):
        opened(prepare(CAMELYON, tmp_path, tmp_path))


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ("tumor", "tumour", r"has no column 'tumor'; it should be the metadata of Camelyon17-WILDS 1\.0"),
        ("0,004,4,0,0,0,0,0,0", "0,004,4,0,0,2,0,0,0", r"line 2 of '.*' has the tumor '2'; it should be 0 or 1"),
        ("0,004,4,0,0,0,0,0,0", "0,004,4,0,0,0,0,5,0", r"line 2 of '.*' has the center '5'; hospitals are '0', '1'"),
        ("0,004,4,0,0,0,0,0,0", "0,004,4", r"line 2 of '.*' has the tumor ''"),
    ],
)
def test_metadata_that_are_not_those_of_the_data_set_are_named(
    before: str, after: str, sentence: str, tmp_path: Path
) -> None:
    path = camelyon(tmp_path, {"004_4": 0}, draw=False) / "metadata.csv"
    path.write_text(path.read_text().replace(before, after))
    with pytest.raises(Refusal, match=sentence):
        rows_of_camelyon(path.parent)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b",patient,node,x_coord,y_coord,tumor,slide,center,split\n"])
def test_metadata_without_lines_or_text_are_refused(content: bytes, tmp_path: Path) -> None:
    folder = camelyon(tmp_path, {"004_4": 0}, draw=False)
    (folder / "metadata.csv").write_bytes(content)
    with pytest.raises(Refusal, match=r"metadata\.csv'"):
        rows_of_camelyon(folder)


def test_both_metadata_and_patches_are_expected(tmp_path: Path) -> None:
    (tmp_path / "camelyon17_v1.0" / "patches").mkdir(parents=True)
    with pytest.raises(Refusal, match=r"with 'metadata\.csv', 'patches', but it has no 'metadata\.csv'; get it from"):
        prepare(CAMELYON, tmp_path, tmp_path)
