"""Files as spreadsheets, databases, servers and data frames write them, read through `load_data`."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmrg.core.errors import BadRowError, ConfigError, DataError
from llmrg.data.dataset import Dataset
from llmrg.data.registry import load_data

ROWS = [
    {"user_id": "ann", "item_id": "x", "timestamp": 20, "title": "Dune"},
    {"user_id": "ann", "item_id": "y", "timestamp": 10, "title": "Émile"},
    {"user_id": "bob", "item_id": "x", "timestamp": 30, "title": "Dune"},
]
CSV = pd.DataFrame(ROWS).to_csv(index=False)


def loaded(folder: Path, name: str, content: str | bytes, **how: object) -> Dataset:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return load_data(path, **how)  # type: ignore[arg-type]


def is_right(dataset: Dataset) -> bool:
    titles = {item.id: item.title for item in dataset.catalogue}
    return (
        {user: history.items for user, history in dataset.histories.items()} == {"ann": ("y", "x"), "bob": ("x",)}
        and dataset.history("ann").at == (10.0, 20.0)
        and titles == {"x": "Dune", "y": "Émile"}
    )


FRAME = pd.DataFrame(ROWS)
DOCUMENTS: dict[str, str] = {
    "a list": json.dumps(ROWS),
    "a list over lines": json.dumps(ROWS, indent=2),
    "under a key": json.dumps({"status": "ok", "count": 3, "data": ROWS}),
    "under a key, over lines": json.dumps({"meta": {"page": 1}, "results": ROWS}, indent=1),
    "objects over lines": "\n".join(json.dumps(row, indent=2) for row in ROWS),
    "lines with commas": ",\n".join(map(json.dumps, ROWS)),
    "record separators": "".join(f"\x1e{json.dumps(row)}\n" for row in ROWS),
    "Python's literals": "\n".join(map(repr, ROWS)),
    "a byte-order mark": "\ufeff" + "\n".join(map(json.dumps, ROWS)),
    "pandas: columns": FRAME.to_json(orient="columns"),
    "pandas: split": FRAME.to_json(orient="split"),
    "pandas: index": FRAME.to_json(orient="index"),
    "columns as lists": json.dumps(FRAME.to_dict(orient="list")),
    "MongoDB": "\n".join(
        json.dumps({"_id": {"$oid": f"5f{n}"}, **row, "timestamp": {"$numberLong": str(row["timestamp"])}})
        for n, row in enumerate(ROWS)
    ),
}


@pytest.mark.parametrize("kind", DOCUMENTS)
@pytest.mark.parametrize("name", ["log.json", "log.jsonl", "log.txt"])
def test_rows_in_json_however_it_is_laid_out(kind: str, name: str, tmp_path: Path) -> None:
    assert is_right(loaded(tmp_path, name, DOCUMENTS[kind]))


def test_json_is_known_by_its_content_in_a_file_called_csv(tmp_path: Path) -> None:
    assert is_right(loaded(tmp_path, "log.csv", DOCUMENTS["a byte-order mark"]))


def test_rows_under_two_keys_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"rows stand under several keys \('orders', 'returns'\)"):
        loaded(tmp_path, "log.json", json.dumps({"orders": ROWS, "returns": ROWS}))


def test_one_row_may_hold_a_list_of_records(tmp_path: Path) -> None:
    row = {"user_id": "ann", "item_id": "x", "genres": [{"name": "Drama"}]}
    assert loaded(tmp_path, "log.json", json.dumps(row)).history("ann").items == ("x",)


WRITTEN: dict[str, Callable[[], str | bytes]] = {
    "Excel's first line": lambda: "sep=;\n" + CSV.replace(",", ";"),
    "Excel's first line, quoted": lambda: '"sep=\t"\r\n' + CSV.replace(",", "\t").replace("\n", "\r\n"),
    "single quotes": lambda: "\n".join(",".join(f"'{cell}'" for cell in line.split(",")) for line in CSV.splitlines()),
    "blanks behind commas": lambda: "\n".join(", ".join(f'"{cell}"' for cell in line.split(",")) for line in CSV.splitlines()),
    "a separator at the end of rows": lambda: CSV.replace("\n", ",\n").replace("title,", "title", 1),
    "a separator at the end of lines": lambda: CSV.replace("\n", ",\n"),
    "carriage returns": lambda: CSV.replace("\n", "\r"),
    "UTF-16": lambda: CSV.encode("utf-16"),
}


@pytest.mark.parametrize("kind", WRITTEN)
def test_delimited_text_however_it_is_written(kind: str, tmp_path: Path) -> None:
    assert is_right(loaded(tmp_path, "log.csv", WRITTEN[kind]()))


def test_quotes_behind_backslashes(tmp_path: Path) -> None:
    text = 'user_id,item_id,title\nann,x,"The \\"Big\\" One"\nann,y,"Small, really"\n'
    assert loaded(tmp_path, "log.csv", text).catalogue["x"].title == 'The "Big" One'


@settings(deadline=None)
@given(st.sampled_from(["latin-1", "cp1252", "mac_roman", "cp850"]))
def test_other_encodings_are_asked_for_and_taken(encoding: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        with pytest.raises(DataError, match="is not UTF-8 text") as refused:
            loaded(Path(folder), "log.csv", CSV.encode(encoding))
        assert "--encoding latin-1" in refused.value.on_shell
        assert is_right(loaded(Path(folder), "log.csv", CSV.encode(encoding), encoding=encoding))


def test_an_encoding_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no encoding is called 'utf-9'"):
        loaded(tmp_path, "log.csv", CSV, encoding="utf-9")


def test_utf_16_without_its_mark_is_no_text_with_odd_letters(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="UTF-16 text without its mark"):
        loaded(tmp_path, "log.csv", CSV.encode("utf-16-le"))
    assert is_right(loaded(tmp_path, "log.csv", CSV.encode("utf-16-le"), encoding="utf-16-le"))


@pytest.mark.parametrize("separator", ["\t", ";", "|", ","])
def test_a_table_called_txt_is_no_file_of_sequences(separator: str, tmp_path: Path) -> None:
    assert is_right(loaded(tmp_path, "log.txt", CSV.replace(",", separator)))


def test_rows_with_blanks_between_columns_are_no_sequences(tmp_path: Path) -> None:
    text = "1 1193 5 978300760\n1 661 3 978302109\n2 1193 4 978300000\n"
    with pytest.raises(DataError, match="users come again: this is a table") as refused:
        loaded(tmp_path, "ratings.txt", text)
    assert "--separator ' '" in refused.value.on_shell
    columns = {"user": "1", "item": "2", "rating": "3", "time": "4"}
    dataset = loaded(tmp_path, "ratings.txt", text, separator=" ", header=False, columns=columns)
    assert dataset.history("1").items == ("1193", "661")


def test_sequences_and_pairs_stay_what_they_are(tmp_path: Path) -> None:
    assert loaded(tmp_path, "Beauty.txt", "1 5 6 7\n2 6 7 8\n").history("2").items == ("6", "7", "8")
    assert loaded(tmp_path, "pairs.txt", "1 5\n1 6\n2 5\n").history("1").items == ("5", "6")


def test_a_zip_of_one_table_or_of_a_folder(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "shop.zip", "w") as archive:
        archive.writestr("export/orders.csv", CSV)
        archive.writestr("__MACOSX/export/._orders.csv", b"\0\5")
    dataset = load_data(tmp_path / "shop.zip")
    assert is_right(dataset)
    assert dataset.name == "shop"
    assert dataset.report.source == str(tmp_path / "shop.zip" / "orders.csv")
    with zipfile.ZipFile(tmp_path / "both.zip", "w") as archive:
        archive.writestr("interactions.csv", "user_id,item_id\nann,x\n")
        archive.writestr("items.csv", "item_id,title\nx,Dune\n")
    assert load_data(tmp_path / "both.zip").catalogue["x"].title == "Dune"


def test_a_frame_whose_index_holds_the_users(tmp_path: Path) -> None:
    assert is_right(load_data(FRAME.set_index("user_id")))
    assert is_right(load_data(FRAME.set_index(["user_id", "item_id"])))
    items = FRAME.drop_duplicates("item_id").set_index("item_id")[["title"]]
    assert is_right(load_data(FRAME.drop(columns="title"), items=items))


def test_a_frame_beside_a_file_and_no_source_at_all(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(CSV)
    with pytest.raises(ConfigError, match="items must be a file"):
        load_data(tmp_path / "log.csv", items=FRAME)
    with pytest.raises(DataError, match="no data set is named"):
        load_data("")


@pytest.mark.parametrize("whole", [False, True])
def test_an_object_with_a_key_twice_is_a_bad_row(whole: bool, tmp_path: Path) -> None:
    lines = ['{"user": "ann", "item": "x", "user": "eve"}', '{"user": "bob", "item": "y", "more": {"a": 1, "a": 2}}']
    content = f"[{', '.join(lines)}]" if whole else "\n".join(lines)
    with pytest.raises(BadRowError, match="column 'user': this key stands twice"):
        loaded(tmp_path, "log.json", content)
    dataset = loaded(tmp_path, "log.json", content, on_bad_row="skip")
    assert list(dataset.histories) == ["bob"]
    assert len(dataset.report.bad_rows) == 1


@pytest.mark.parametrize("role", ["user", "item"])
def test_true_and_false_are_no_ids_but_words_may_be(role: str, tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"user": "ann", "item": "x"}, {"user": "bob", "item": "y"}]
    words = [{**rows[0], role: "True"}, rows[1]]
    assert loaded(tmp_path, "words.jsonl", "\n".join(map(json.dumps, words)))
    rows[0][role] = True
    with pytest.raises(BadRowError, match="no id"):
        loaded(tmp_path, "flags.jsonl", "\n".join(map(json.dumps, rows)))
    with pytest.raises(BadRowError, match="no id"):
        load_data(pd.DataFrame({"user": ["a", "b"], "item": ["x", "y"], role: [True, False]}), name="flags")


@pytest.mark.parametrize("column", ["event", "Event Type", "action", "behaviour_type"])
def test_rows_of_several_kinds_are_told(column: str, tmp_path: Path) -> None:
    text = f"user,item,time,{column}\nann,x,1,view\nann,y,2,buy\nbob,x,3,view\n"
    (note,) = [note for note in loaded(tmp_path, "log.csv", text).report.notes if "what was done" in note]
    assert "view 2, buy 1" in note
    alike = text.replace("view", "read").replace("buy", "heard")
    assert not [note for note in loaded(tmp_path, "log.csv", alike).report.notes if "what was done" in note]
