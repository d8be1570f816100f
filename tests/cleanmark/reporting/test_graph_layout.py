"""Places of pictures in a drawing of a match graph."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanmark.reporting.graph_layout import lay_out


@st.composite
def graphs(draw):
    num_nodes = draw(st.integers(1, 30))
    share = draw(st.floats(0, 1))
    seed = draw(st.integers(0, 1000))
    graph = nx.gnp_random_graph(num_nodes, share, seed=seed)
    return nx.relabel_nodes(graph, {node: f"{node:016x}" for node in graph})


@settings(max_examples=25, deadline=None)
@given(graphs())
def test_no_picture_covers_another_and_all_are_inside(graph):
    layout = lay_out(graph, 12)
    assert layout.centres.keys() == set(graph)
    places = np.array(list(layout.centres.values()))
    apart = np.abs(places[:, None] - places[None]).max(axis=2)
    np.fill_diagonal(apart, np.inf)
    assert apart.min() > 1.0
    assert places.min() >= 0.5 - 1e-9
    assert (places.max(axis=0) <= np.array([layout.width, layout.height]) - 0.5 + 1e-9).all()


@settings(max_examples=5, deadline=None)
@given(graphs())
def test_the_same_graph_has_the_same_layout(graph):
    assert lay_out(graph, 12) == lay_out(graph.copy(), 12)


def test_lone_pictures_stand_in_a_grid_as_wide_as_allowed():
    graph = nx.empty_graph(20)
    layout = lay_out(graph, 6.5)
    assert layout.width <= 6.5
    assert len({x for x, _ in layout.centres.values()}) == 5
    assert len({y for _, y in layout.centres.values()}) == 4


def test_lone_pictures_stand_beside_the_group_if_there_is_room():
    graph = nx.complete_graph(8)
    graph.add_nodes_from([100, 101])
    layout = lay_out(graph, 20)
    right = max(layout.centres[node][0] for node in range(8))
    assert layout.centres[100][0] > right + 1
    assert layout.centres[101][0] > right + 1


def test_a_chain_spreads_along_the_page():
    layout = lay_out(nx.path_graph(7), 20)
    assert layout.width > layout.height
    middle = [layout.centres[node][0] for node in range(7)]
    assert middle == sorted(middle) or middle == sorted(middle, reverse=True)


def test_a_picture_alone():
    layout = lay_out(nx.empty_graph(1), 10)
    assert layout.centres[0] == pytest.approx((0.5, 0.5))
    assert (layout.width, layout.height) == pytest.approx((1.0, 1.0))
