import numpy as np

from liqheat_project.celery import app
from validation.compare.check_heatmap import Maps
from validation.compare.drawing import draw, relative
from validation.compare.metrics import Grid

NAN = float("nan")


def test_amounts_become_shares_of_the_brightest_and_the_unknown_stays_unknown():
    values = np.array([[0.0, 50.0], [100.0, NAN]])
    assert np.allclose(relative(values), [[0, 0.5], [1, NAN]], atol=0.01, equal_nan=True)
    empty = np.array([[0.0, NAN]])
    assert np.array_equal(relative(empty), empty, equal_nan=True)


def test_a_single_bright_cell_does_not_darken_all_others():
    values = np.full((100, 100), 10.0)
    values[3, 3] = 1e9
    assert relative(values)[50, 50] == 1


def test_both_maps_and_their_difference_share_their_axes():
    grid = Grid(100.0, 1.0, 3)
    ours = np.array([[1.0, 0], [0, 1], [0, NAN]])
    reference = np.array([[0, 0], [0, 1], [1.0, 1]])
    times = np.array([0, 3_600_000], dtype=np.int64)
    figure = draw(Maps(grid, times, reference, ours, np.array([101.0, 102.0])))
    panels = figure.axes[:3]
    assert [panel.get_title() for panel in panels] == ["Reference", "Ours", "Ours minus reference"]
    assert {panel.get_ylim() for panel in panels} == {(100.0, 103.0)}
    assert len({panel.get_xlim() for panel in panels}) == 1
    shown = [panel.collections[0].get_array().filled(NAN) for panel in panels]
    assert np.array_equal(shown[0], reference)
    assert np.array_equal(shown[2], ours - reference, equal_nan=True)


def test_one_column_can_be_drawn():
    one = np.ones((3, 1))
    draw(Maps(Grid(100.0, 1.0, 3), np.array([0]), one, one, np.array([101.0])))


def test_beat_and_the_routes_name_tasks_that_there_are():
    app.loader.import_default_modules()
    named = {entry["task"] for entry in app.conf.beat_schedule.values()} | set(app.conf.task_routes)
    assert named <= set(app.tasks)
    assert app.amqp.router.route({}, "validation.execute")["queue"].name == "validation"
