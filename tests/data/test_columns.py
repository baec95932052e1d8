"""What a column is taken for, and what is refused since nobody could know."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from llmrg.core.errors import BadRowError, ConfigError, DataError
from llmrg.data.registry import load_data


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def uses(path: Path, **how: object) -> dict[tuple[str, str], str]:
    return {(use.table, use.column): use.use for use in load_data(path, **how).report.columns}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("header", "item"),
    [("id,user_id,clip_id,date", "clip_id"), ("row,user_id,offer,date", "..."), ("id,member_id,listing_id,ts", "listing_id")],
)
def test_a_row_number_is_never_the_item(header: str, item: str, tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", f"{header}\n1,ann,c7,2024-01-01\n2,bob,c8,2024-01-02\n")
    with pytest.raises(DataError, match=r"no column 'item'; there are: .*say which it is with `columns=\{'item': ") as found:
        load_data(path)
    assert f"--columns item={item}" in found.value.on_shell
    third = header.split(",")[2]
    assert load_data(path, columns={"item": third}).history("ann").items == ("c7",)


def test_an_items_table_may_call_its_key_id(tmp_path: Path) -> None:
    write(tmp_path / "shop" / "interactions.csv", "customer_id,product_id\nann,7\n")
    write(tmp_path / "shop" / "items.csv", "id,name,lat,lon,Unnamed: 0\n7,Kettle,52.5,13.4,0\n")
    dataset = load_data(tmp_path / "shop")
    assert dataset.catalogue["7"].title == "Kettle"
    assert dataset.catalogue["7"].attributes == ()
    found = {use.column: use.use for use in dataset.report.columns if use.table == "items"}
    assert found == {
        "id": "item",
        "name": "title",
        "lat": "not used: a coordinate",
        "lon": "not used: a coordinate",
        "Unnamed: 0": "not used: a row number",
    }


@pytest.mark.parametrize("two", ["movie_id,item_id", "track_id,song_id", "Item ID,item_id"])
def test_two_columns_that_could_be_the_item_are_refused(two: str, tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", f"user_id,{two}\na,1,2\n")
    with pytest.raises(DataError, match="could each be the item"):
        load_data(path)
    assert load_data(path, columns={"item": two.split(",")[1]}).history("a").items == ("2",)


def test_two_times_are_refused_and_a_better_name_wins(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'date' and 'time' could each be the time"):
        load_data(write(tmp_path / "two.csv", "user,item,date,time\na,x,2024-01-01,12:30\n"))
    path = write(tmp_path / "one.csv", "user,item,timestamp,date\na,x,86400,12/30/99\n")
    assert load_data(path).history("a").at == (86400.0,)


NOT_TITLES = {
    "headlines": "user_id,item_id,title,review\na,x,Broke,t\nb,x,Fine,t\nb,y,OK,t\n",
    "headlines without their review": "user_id,item_id,title,rating\na,x,Broke,1\nb,x,Fine,5\nb,y,OK,3\na,y,Meh,2\n",
    "people": "user_id,item_id,name\na,x,Ann\nb,x,Bob\nb,y,Bob\n",
    "people called title": "user_id,item_id,title\na,x,Dr\nb,y,Mr\nb,z,Mr\na,w,Dr\n",
}


@pytest.mark.parametrize("what", NOT_TITLES)
def test_what_people_are_called_or_wrote_is_no_title(what: str, tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", NOT_TITLES[what])
    report = load_data(path).report
    assert report.items_without_title == report.items
    column = "name" if what == "people" else "title"
    assert uses(path)["interactions", column] == "not used"
    assert any(f"'{column}'" in note and "title" in note for note in report.notes)
    assert load_data(path, columns={"title": column}).report.items_without_title == 0


def test_a_product_may_have_been_renamed(tmp_path: Path) -> None:
    rows = [f"u{n},p{n % 30},Product {n % 30}" for n in range(90)] + ["u1,p0,PRODUCT 0", "u2,p1,Product one"]
    path = write(tmp_path / "log.csv", "\n".join(["user_id,product_id,product_name", *rows]))
    assert load_data(path).catalogue["p1"].title == "Product 1"


def test_who_somebody_is_stays_out_of_what_models_are_told(tmp_path: Path) -> None:
    write(tmp_path / "d" / "interactions.csv", "user_id,item_id\n7,x\n")
    write(tmp_path / "d" / "users.csv", "user_id,First Name,e-mail,ZIP code,age group\n7,Ann,a@b.org,10115,30s\n")
    assert load_data(tmp_path / "d").history("7").attributes == (("age group", "30s"),)


def test_columns_of_one_table(tmp_path: Path) -> None:
    log = write(tmp_path / "orders.csv", "who,what,label\nann,7,ignored\nann,8,Pan\n")
    products = write(tmp_path / "products.csv", "sku,what,label\n7,K-7,Kettle\n9,P-9,Pot\n")
    dataset = load_data(log, items=products, columns={"user": "who", "item": "what", "items.item": "sku", "title": "label"})
    assert dataset.catalogue["7"].title == "Kettle"
    assert dataset.catalogue["8"].title == "Pan"  # it is not in the table of products, but the log knows it
    with pytest.raises(DataError, match="no column 'sort'; there are: 'sku'"):
        load_data(log, items=products, columns={"user": "who", "item": "what", "items.item": "sort"})
    with pytest.raises(DataError, match="no column 'tilte'"):
        load_data(log, items=products, columns={"user": "who", "item": "what", "items.item": "sku", "title": "tilte"})
    with pytest.raises(ConfigError, match=r"no role 'things\.title'"):
        load_data(log, columns={"things.title": "label"})


@pytest.mark.parametrize(
    ("first", "second"),
    [("10", "10.0"), ("7", "007"), ("B-17", "b 17")],
    ids=["floats", "zeros in front", "case and signs"],
)
def test_ids_that_differ_in_spelling_only_are_told(first: str, second: str, tmp_path: Path) -> None:
    write(tmp_path / "all" / "interactions.csv", f"user_id,item_id\nann,{first}\n")
    write(tmp_path / "all" / "items.csv", f"item_id,title\n{second},Kettle\n")
    with pytest.raises(DataError, match=r"do not join: no item .* the same ids are spelled in two ways"):
        load_data(tmp_path / "all")
    write(tmp_path / "some" / "interactions.csv", f"user_id,item_id\nann,{first}\nann,other\n")
    write(tmp_path / "some" / "items.csv", f"item_id,title\n{second},Kettle\nother,Pot\n")
    (note,) = [note for note in load_data(tmp_path / "some").report.notes if "spelled" in note]
    assert repr(first) in note
    assert repr(second) in note


@pytest.mark.parametrize(("one", "other"), [("7", "7.0"), ("42", "0042"), ("10", "010.00")])
def test_numbers_that_one_column_spells_in_two_ways_are_told(one: str, other: str, tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", f"user_id,item_id\n{one},x\n{other},Ab\n{one},aB\n")
    dataset = load_data(path)
    assert set(dataset.histories) == {one, other}
    (note,) = [note for note in dataset.report.notes if "spelled in two ways" in note]
    assert "1 users" in note
    assert repr(other) in note


def test_tables_that_have_nothing_in_common_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "x" / "interactions.csv", "user_id,item_id\nann,a\n")
    write(tmp_path / "x" / "users.csv", "user_id,age\n17,30s\n")
    with pytest.raises(DataError, match="no user of the first is in the second, for instance 'ann' and '17'"):
        load_data(tmp_path / "x")


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("user_id,item_id,user_id", "'user_id' is there 2 times"),
        ("user_id, item_id,title,title ", "'title' is there 2 times"),
        ("196,242,881250949", "holds values and no names of columns"),
        ("470,49bbd6c0f964,40.71", "holds values and no names of columns"),
    ],
)
def test_headers_that_say_too_much_or_nothing(header: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=problem):
        load_data(write(tmp_path / "log.csv", f"{header}\na,b,c{',d' if header.count(',') == 3 else ''}\n"))


def test_a_table_without_a_header(tmp_path: Path) -> None:
    path = write(tmp_path / "u.tsv", "196\t242\t3\t881250949\n22\t377\t1\t878887116\n")
    dataset = load_data(path, header=False, columns={"user": "1", "item": "2", "rating": "3", "time": "4"})
    assert dataset.history("196").items == ("242",)
    assert dataset.opinions["22"][0].rating == 1  # type: ignore[union-attr]


@pytest.mark.parametrize(("separator", "told"), [(";", ""), ("\t", ""), ("|", ""), ("::", ""), ("::", "::"), ("~", "~")])
def test_separators(separator: str, told: str, tmp_path: Path) -> None:
    rows = [("user_id", "item_id", "title"), ("ann", "1", "Dune, part one"), ("ann", "2", "Emma")]
    path = write(tmp_path / "log.csv", "\n".join(separator.join(row) for row in rows))
    dataset = load_data(path, separator=told)
    assert dataset.catalogue["1"].title == "Dune, part one"
    assert any("separated by" in note for note in dataset.report.notes) == (not told)


@pytest.mark.parametrize(
    ("name", "separator"), [("u.data", "\t"), ("ratings.dat", "::"), ("log.txt", "::"), ("events.data", ";"), ("plays.csv", "|")]
)
def test_what_is_to_be_said_of_a_log_without_a_header(name: str, separator: str, tmp_path: Path) -> None:
    rows = [("196", "242", "3", "881250949"), ("22", "377", "1", "878887116")]
    path = write(tmp_path / name, "\n".join(separator.join(row) for row in rows))
    with pytest.raises(DataError, match="holds values and no names of columns") as refused:
        load_data(path)
    assert "--no-header --columns user=1,item=2" in refused.value.on_shell
    dataset = load_data(path, header=False, columns={"user": "1", "item": "2", "rating": "3", "time": "4"})
    assert dataset.history("22").items == ("377",)


def test_row_names_without_a_column_name_are_told(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", '"user","item","rating"\n"1","ann","x",5\n"2","ann","y",4\n')
    with pytest.raises(BadRowError, match="header lacks a name for the first column"):
        load_data(path)


def test_time_formats_and_missing_words_can_be_said(tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", "user,item,date,rating\nann,None,01.02.2024,-\nann,x,02.02.2024,4\n")
    how = {"time_format": "%d.%m.%Y", "missing": ("-",)}
    dataset = load_data(path, **how)  # type: ignore[arg-type]
    assert dataset.history("ann").items == ("None", "x")
    assert dataset.history("ann").at == (1706745600.0, 1706832000.0)
    with pytest.raises(DataError, match="neither Unix seconds nor an ISO date"):
        load_data(path, missing=("-",))


def test_lists_are_separated_as_told(tmp_path: Path) -> None:
    log = write(tmp_path / "log.csv", "user,item\na,x\na,y\n")
    items = write(tmp_path / "items.csv", 'item,title,genres,cast\nx,X,"Action, Comedy",Bo; Cy\ny,Y,"Comedy, Drama",Cy; Di\n')
    plain = load_data(log, items=items)
    assert plain.catalogue["x"].values("genres") == ("Action, Comedy",)
    told = [note for note in plain.report.notes if "look like lists" in note]
    assert "genres=," in told[0]
    dataset = load_data(log, items=items, list_separator={"genres": ",", "cast": ";"})
    assert dataset.catalogue["x"].values("genres") == ("Action", "Comedy")
    assert dataset.catalogue["y"].values("cast") == ("Cy", "Di")
    assert not any("look like lists" in note for note in dataset.report.notes)


def test_the_report_shows_the_first_rows_as_understood(tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", "user,item,stars,at\nbo,x,4,2024-01-02\nann,y,5,2024-01-01\n")
    first, second = load_data(path).report.first
    assert (first.user, first.item, first.rating, first.at) == ("bo", "x", 4.0, 1704153600.0)
    assert second.user == "ann"


def test_frames_are_called_after_their_content() -> None:
    one, other = pd.DataFrame({"user": ["a"], "item": ["x"]}), pd.DataFrame({"user": ["a"], "item": ["y"]})
    assert load_data(one).name == load_data(one.copy()).name
    assert load_data(one).name != load_data(other).name
    assert load_data(one, name="shop").name == "shop"


@pytest.mark.parametrize("name", ["../up", "a/b", "..", "new\nline"])
def test_names_that_would_leave_their_folder(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be the name of a data set"):
        load_data(pd.DataFrame({"user": ["a"], "item": ["x"]}), name=name)


def test_json_lines_say_all_their_keys(tmp_path: Path) -> None:
    rows = [{"item": "x"}, {"item": "y", "title": "Y"}, {"item": "z", "title": "Z", "mood": ["dark"]}]
    items = write(tmp_path / "items.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    log = write(tmp_path / "log.json", json.dumps([{"user": "a", "item": i, "time": n} for n, i in enumerate("xyz")]))
    dataset = load_data(log, items=items)
    assert dataset.catalogue["z"].values("mood") == ("dark",)
    assert [item.title for item in dataset.catalogue] == ["x", "Y", "Z"]
    assert dataset.history("a").items == ("x", "y", "z")
