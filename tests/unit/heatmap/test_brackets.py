import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client

from heatmap import brackets
from heatmap.brackets import BadBrackets
from heatmap.models import DEFAULT_SYMBOL, Bracket, BracketTable
from ingestion.models import SymbolEvent

BUILT_IN = Path(brackets.__file__).with_name("data") / "brackets.csv"
DAY = datetime(2025, 8, 21, tzinfo=UTC)
HEADER = "symbol,bracket,notional_floor,notional_cap,mmr,max_leverage,cum\n"
GOOD = (
    HEADER
    + "TESTUSDT,1,0,300000,0.004,150,0\n"
    + "TESTUSDT,2,300000,800000,0.005,100,300\n"
    + "TESTUSDT,3,800000,3000000,0.0065,75,1500\n"
)
ANSWER = [
    {
        "symbol": "TESTUSDT",
        "notionalCoef": 1.5,
        "brackets": [
            {
                "bracket": 1,
                "initialLeverage": 150,
                "notionalCap": 300000,
                "notionalFloor": 0,
                "maintMarginRatio": 0.004,
                "cum": 0.0,
            },
            {
                "bracket": 2,
                "initialLeverage": 100,
                "notionalCap": 800000,
                "notionalFloor": 300000,
                "maintMarginRatio": 0.005,
                "cum": 300.0,
            },
        ],
    }
]


def imported(text: str) -> list[str]:
    tables, remarks = brackets.read_file(text.encode(), DAY)
    brackets.store(tables, "test")
    return remarks


@pytest.mark.django_db
def test_a_csv_goes_to_the_engine():
    assert imported(GOOD) == []
    found = brackets.brackets_of("TESTUSDT")
    (table,) = found.tables
    assert (found.owner, found.sources) == ("TESTUSDT", ("test",))
    assert table.valid_from == 1755734400000
    assert table.floors.tolist() == [0, 300_000, 800_000]
    assert table.cums.tolist() == [0, 300, 1500]
    assert table.maintenance_margin_rates.tolist() == [0.004, 0.005, 0.0065]
    assert table.max_leverages.tolist() == [150, 100, 75]


@pytest.mark.django_db
def test_the_signed_endpoints_answer_is_scaled_by_its_coefficient():
    imported(json.dumps(ANSWER))
    (table,) = brackets.brackets_of("TESTUSDT").tables
    assert table.floors.tolist() == [0, 450_000]
    assert table.caps.tolist() == [450_000, 1_200_000]
    assert table.cums.tolist() == [0, 450]


@pytest.mark.django_db
def test_tables_are_ordered_by_date_and_replaced_by_date():
    lines = [line.split(",") for line in GOOD.splitlines()]
    dated = ["symbol,first_seen," + ",".join(lines[0][2:])]
    for date in ("2024-05-30", "2022-02-16"):
        dated += [",".join([line[0], date, *line[2:]]) for line in lines[1:]]
    for _ in range(2):
        imported("\n".join(dated))
    dates = [table.valid_from for table in brackets.brackets_of("TESTUSDT").tables]
    assert dates == [1644969600000, 1717027200000]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("text", "why"),
    [
        (GOOD.replace("100,300\n", "100,301\n"), "bracket 2.*301.*300"),
        (GOOD.replace("300000,800000", "310000,800000"), "bracket 2: the floor is 310,000"),
        (GOOD.replace("150,0\n", "150,5\n"), "bracket 1: floor and cum must be 0"),
        (GOOD.replace("0.0065", "1.2"), "rates must lie in"),
        (GOOD.replace("0.0065", "low"), "Line 5"),
        (GOOD.replace("mmr", "rate"), "lacks the columns mmr"),
        (HEADER, "holds no brackets"),
        ("", "lacks the columns"),
        ('{"code":-2015,"msg":"Invalid API-key"}', "not an answer of GET"),
        ("[1, 2]", "not an answer of GET"),
        ("[", "not an answer of GET"),
        ("[" * 100_000, "not an answer of GET"),
        ('{"symbol": "A", "notionalCoef": 1' + "0" * 400 + ', "brackets": []}', "not an answer"),
        (GOOD.replace("0.0065", "nan"), "no figure of a bracket"),
        (GOOD.replace("100,300\n", "100,inf\n"), "no figure of a bracket"),
        (HEADER + '"' + "x" * 200_000, "is no CSV"),
    ],
)
def test_an_unsound_file_changes_nothing(text, why):
    sound = HEADER + "SOUNDUSDT,1,0,100,0.01,50,0\n"
    before = BracketTable.objects.count()
    with pytest.raises(BadBrackets, match=why):
        imported(sound + text.removeprefix(HEADER) if text.startswith(HEADER + "T") else text)
    assert BracketTable.objects.count() == before


def test_bytes_that_are_no_text_are_refused():
    with pytest.raises(BadBrackets, match="UTF-8"):
        brackets.read_file(b"\xff\xfe\x00", DAY)


@pytest.mark.django_db
def test_delivery_contracts_and_names_that_cannot_be_are_left_out_and_named():
    delivery = "TESTUSDT,1,0,50000,0.01,50,0\n"
    remarks = imported(GOOD + delivery + "币-USDT,1,0,50000,0.01,50,0\n")
    assert len(remarks) == 2
    assert "TESTUSDT: 2 tables" in remarks[0] and "币-USDT: left out" in remarks[1]
    assert brackets.brackets_of("TESTUSDT").tables[0].max_leverages[0] == 150


@pytest.mark.django_db
def test_a_symbol_without_brackets_has_the_default_ones():
    BracketTable.objects.all().delete()
    brackets.store(brackets.read_file(BUILT_IN.read_bytes(), DAY)[0], "built in")
    assert brackets.brackets_of("NOSUCHUSDT").owner == DEFAULT_SYMBOL
    for symbol in ("BTCUSDT", "ETHUSDT", "MATICUSDT", "LINKUSDT"):
        (table,) = brackets.brackets_of(symbol).tables
        assert len(table.continuity_errors()) == 0
    Bracket.objects.all().delete()
    with pytest.raises(BadBrackets, match="import_brackets"):
        brackets.brackets_of("BTCUSDT")


@pytest.mark.django_db
def test_the_command_says_what_it_did(tmp_path: Path, capsys):
    file = tmp_path / "brackets.csv"
    file.write_text(GOOD)
    call_command("import_brackets", str(file), "--valid-from", "2025-08-21")
    assert "1 bracket tables of 1 symbols imported" in capsys.readouterr().out
    table = BracketTable.objects.get(symbol="TESTUSDT")
    assert (table.source, table.valid_from) == ("brackets.csv", DAY)
    file.write_text(GOOD.replace("100,300\n", "100,301\n"))
    with pytest.raises(CommandError, match="Nothing was imported"):
        call_command("import_brackets", str(file))
    with pytest.raises(CommandError, match="can't be read"):
        call_command("import_brackets", str(tmp_path / "none.csv"))
    with pytest.raises(CommandError, match="no date"):
        call_command("import_brackets", str(file), "--valid-from", "soon")


@pytest.fixture
def admin(admin_client: Client, settings) -> Client:
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    }
    return admin_client


def test_the_admin_imports_a_file(admin: Client, tmp_path: Path):
    file = tmp_path / "brackets.csv"
    address = "/admin/heatmap/brackettable/import/"
    assert "enctype" in admin.get(address).content.decode()
    for text, count in ((GOOD.replace("100,300\n", "100,301\n"), 0), (GOOD, 1)):
        file.write_text(text)
        with file.open("rb") as upload:
            form = {"file": upload, "valid_from": "2025-08-21"}
            response = admin.post(address, form, follow=True)
        assert BracketTable.objects.filter(symbol="TESTUSDT").count() == count
        expected = "1 bracket tables imported" if count else "bracket 2"
        assert expected in response.content.decode()


def test_importing_needs_the_right_to_change_and_is_written_down(admin: Client, tmp_path: Path):
    staff = get_user_model().objects.create_user("ada", is_staff=True)
    client = Client()
    client.force_login(staff)
    address = "/admin/heatmap/brackettable/import/"
    for name, status in (("add", 403), ("change", 302)):
        rights = Permission.objects.filter(codename__in=[f"{name}_brackettable"])
        staff.user_permissions.set(rights)
        upload = SimpleUploadedFile("brackets.csv", GOOD.encode())
        answer = client.post(address, {"file": upload, "valid_from": "2025-08-21"})
        assert answer.status_code == status
    (event,) = SymbolEvent.objects.filter(act=SymbolEvent.Act.BRACKETS_CHANGED)
    assert (event.symbol, event.text, event.by) == ("TESTUSDT", "imported from brackets.csv", staff)
    assert event.counts == {"tables": 1, "replaced": 0}


def test_the_admin_refuses_an_edit_that_breaks_the_table(admin: Client):
    imported(GOOD)
    table = BracketTable.objects.get(symbol="TESTUSDT")
    address = f"/admin/heatmap/brackettable/{table.pk}/change/"
    rows = list(table.brackets.order_by("notional_floor"))
    form = {
        "symbol": "TESTUSDT",
        "valid_from_0": "2025-08-21",
        "valid_from_1": "00:00:00",
        "source": "by hand",
        "brackets-TOTAL_FORMS": 3,
        "brackets-INITIAL_FORMS": 3,
    }
    for i, row in enumerate(rows):
        for name in ("id", "notional_floor", "notional_cap", "max_leverage", "cum"):
            form[f"brackets-{i}-{name}"] = getattr(row, name)
        form[f"brackets-{i}-maintenance_margin_rate"] = row.maintenance_margin_rate
        form[f"brackets-{i}-table"] = table.pk
    refused = admin.post(address, form | {"brackets-1-cum": 301})
    assert "continues the bracket before" in refused.content.decode().replace("&#x27;", "'")
    assert admin.post(address, form).status_code == 302
    table.refresh_from_db()
    assert table.source == "by hand"


@pytest.mark.real_data
@pytest.mark.django_db
def test_every_bracket_table_of_binance_is_sound(real_data: Path):
    for name, count in (
        ("binance_um_brackets_2026-05-01.csv", 712),
        ("binance_um_brackets_history_BTC_ETH.csv", 22),
    ):
        tables, remarks = brackets.read_file((real_data / "brackets" / name).read_bytes(), DAY)
        assert brackets.store(tables, name) == len(tables) == count
        assert len(remarks) in (0, 2)
    dates = [table.valid_from for table in brackets.brackets_of("BTCUSDT").tables]
    assert dates == sorted(dates) and len(dates) == 12
