from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmrg.core.errors import ConfigError
from llmrg.core.settings import Settings, load_settings


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_environment_beats_file_and_arguments_beat_both(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "llmrg.toml").write_text('mind = "attributes"\nmodel = "from-file"\n')
    assert load_settings().mind == "attributes"
    monkeypatch.setenv("LLMRG_MODEL", "from-env")
    assert load_settings().model == "from-env"
    assert load_settings(model="from-call", mind=None).model == "from-call"
    assert load_settings(home=Path("x")).store_url == "sqlite:///x/graphs.db"


@pytest.mark.parametrize("blank", ["", "  ", "\t\n"])
@pytest.mark.parametrize("name", ["home", "store", "ask", "model_options", "load", "threads", "store_timeout_s", "prompts"])
def test_a_variable_that_is_empty_is_not_set(name: str, blank: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "llmrg.toml").write_text('home = "place"\nask = "item"\n')
    before = load_settings()
    monkeypatch.setenv(f"LLMRG_{name.upper()}", blank)
    assert load_settings() == before
    assert load_settings().home == Path("place")


def test_blanks_around_a_variable_do_not_count_but_in_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMRG_MIND", " attributes\n")
    monkeypatch.setenv("LLMRG_STORE_PASSWORD", " hush ")
    monkeypatch.setenv("LLMRG_OTHER_STORE_PASSWORD", "")
    settings = load_settings()
    assert settings.mind == "attributes"
    assert settings.store_password.get_secret_value() == " hush "
    assert settings.other_store_password is not None  # empty: a server without authentication


def test_a_bad_setting_names_itself_and_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMRG_THREADS", "many")
    with pytest.raises(ConfigError, match=r"threads.*many.*LLMRG_THREADS"):
        load_settings()


def test_the_password_is_never_shown() -> None:
    settings = load_settings(store_password="hunter2-hunter2")
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in str(settings.model_dump_json())


@pytest.mark.parametrize("start", [b"\xef\xbb\xbf", b"", b"\xef\xbb\xbf# made with an editor\r\n"])
def test_a_byte_order_mark_is_no_part_of_the_file(folder: Path, start: bytes) -> None:
    (folder / "llmrg.toml").write_bytes(start + 'mind = "attributes"\r\nmodel = "modèle"\r\n'.encode())
    assert (load_settings().mind, load_settings().model) == ("attributes", "modèle")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("threads = 2\nmodel = 'modèle'\n".encode("latin-1"), ["not UTF-8", "0xe8", "line 2"]),
        ('model = "x"\n'.encode("utf-16"), ["not UTF-8", "0xff", "line 1"]),
        (b'home = "x\n', ["not TOML", "line 1"]),
        (b"threads = 2\nthreads = 3\n", ["not TOML", "line 2"]),
        (b"{not: toml}", ["not TOML"]),
        (b"hoem = 'x'\n", ["'hoem'", "did you mean 'home'?"]),
        (b"[store]\nurl = 'x'\n", ["'store'"]),
        (b"threads = 'all'\n", ["'threads'", "'all'", "LLMRG_THREADS"]),
        (b"ask = 'everybody'\n", ["'ask'", "'everybody'"]),
        (b"model_options = 3\n", ["'model_options'"]),
    ],
)
def test_a_settings_file_that_is_off_is_named_with_what_is_off(folder: Path, content: bytes, words: list[str]) -> None:
    (folder / "llmrg.toml").write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_settings()
    for word in [str(folder / "llmrg.toml"), *words]:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_settings_file_that_is_a_folder(folder: Path) -> None:
    (folder / "llmrg.toml").mkdir()
    with pytest.raises(ConfigError, match=r"llmrg\.toml cannot be read: Is a directory"):
        load_settings()


@given(content=st.binary(max_size=40))
def test_whatever_the_file_holds_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder, before = tmp_path_factory.mktemp("any"), Path.cwd()
    (folder / "llmrg.toml").write_bytes(content)
    os.chdir(folder)
    try:
        found: object = load_settings()
    except ConfigError as error:
        found = error
    finally:
        os.chdir(before)
    assert isinstance(found, Settings) or "llmrg.toml" in str(found)


@pytest.mark.parametrize("value", ["top_p=0.5", "{'seed': 1}", "[1, 2]", "7", '{"seed": 1'])
def test_model_options_that_are_no_json_object_are_refused_without_repeating_them(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("LLMRG_MODEL_OPTIONS", value)
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert "LLMRG_MODEL_OPTIONS" in str(caught.value)
    assert value not in str(caught.value).replace("from the variable LLMRG_MODEL_OPTIONS", "")
    monkeypatch.setenv("LLMRG_MODEL_OPTIONS", '{"seed": 1}')
    assert load_settings().model_options == {"seed": 1}


@pytest.mark.parametrize("name", [name for name, field in Settings.model_fields.items() if not field.validation_alias])
def test_a_variable_of_a_wrong_type_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"LLMRG_{name.upper()}", "\x01 no such thing")
    try:
        found: object = load_settings()  # any text will do for some
    except ConfigError as error:
        found = error
    assert isinstance(found, Settings) or f"LLMRG_{name.upper()}" in str(found)


def test_a_secret_of_a_wrong_type_is_not_repeated(folder: Path) -> None:
    (folder / "llmrg.toml").write_text("store_password = 48151623\n")
    with pytest.raises(ConfigError, match="store_password") as caught:
        load_settings()
    assert "48151623" not in f"{caught.value} {caught.value.__cause__}"


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container whose user id is in no list of users."""

    def nobody(_: int) -> None:
        raise KeyError

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", nobody)


@pytest.mark.usefixtures("homeless")
def test_without_a_home_folder_caches_lie_in_the_project(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().cache_dir == Path(".llmrg/cache")
    assert load_settings(home=folder / "p").data_dir == folder / "p" / "cache" / "data"
    monkeypatch.setenv("LLMRG_CACHE_DIR", "~/models")
    with pytest.raises(ConfigError, match=r"no home folder.*LLMRG_CACHE_DIR"):
        load_settings()
    monkeypatch.setenv("LLMRG_CACHE_DIR", "/models")
    assert load_settings().cache_dir == Path("/models")


def test_a_tilde_is_the_home_folder_in_each_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    found = load_settings(home="~/h", prompts="~/p", prices="~/prices.toml")
    assert (found.home, found.prompts, found.prices) == (tmp_path / "h", tmp_path / "p", tmp_path / "prices.toml")
    assert found.cache_dir == tmp_path / ".cache" / "llmrg"
