"""The tracker as its users see it: frames and masks in, masks out, and clear words about what cannot be."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import hqtrack
from formula_weights import formula_state_dict
from hqtrack import HQTrack, nets, processor
from hqtrack.cards import Card, MemorySettings, Paradigm, RefinerSettings, Weights
from hqtrack.errors import CardError, InputError, StateError
from hqtrack.nets.interface import PropagationNetwork
from hqtrack.propagation import Found
from hqtrack.tracker import find_device, find_dtype

HEIGHT, WIDTH = 64, 96


@pytest.fixture(scope="module")
def network() -> PropagationNetwork:
    """Return a small published network; with the formula's weights its masks are far from empty."""
    network = nets.build("deaott")
    network.load_state_dict(formula_state_dict(network.state_dict()))
    return network


def new_tracker(network: PropagationNetwork, *, paradigm: Paradigm = "joint", edge: int = 96) -> HQTrack:
    card = Card(
        name="test",
        title="",
        network="deaott",
        weights=Weights(name="test", file="test.safetensors", origin="embedded"),
        memory=MemorySettings(long_term_slots=3, long_term_gap=2, short_term_distance=2),
        max_long_edge=edge,
        paradigm=paradigm,
    )
    return HQTrack(card, network, device="cpu", precision="float32")


@pytest.fixture
def tracker(network: PropagationNetwork) -> HQTrack:
    return new_tracker(network)


def frame(number: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Return a frame of coloured blocks that drift to the right."""
    blocks = np.random.default_rng(5).integers(0, 256, (-(-height // 8), -(-width // 8), 3))
    image = np.kron(blocks, np.ones((8, 8, 1))).astype(np.uint8)[:height, :width]
    return np.roll(image, number % 4, axis=1)


def squares(count: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Return masks of blocks, every second one in a row."""
    masks = np.zeros((count, height, width), bool)
    for index, mask in enumerate(masks):
        row, column = divmod(index, width // 16)
        mask[8 * row : 8 * row + 8, 16 * column : 16 * column + 8] = True
    return masks


FIRST = squares(2)


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2, 10, 11, 25])
@pytest.mark.parametrize("paradigm", ["joint", "separate"])
def test_every_object_has_one_mask_in_every_frame(
    network: PropagationNetwork, count: int, paradigm: Paradigm
) -> None:
    tracker = new_tracker(network, paradigm=paradigm)
    tracker.initialize(frame(0), list(squares(count)))
    found = False
    for seed in range(1, 4):
        masks = tracker.track(frame(seed))
        assert masks.shape == (count, HEIGHT, WIDTH)
        assert masks.dtype == np.bool_
        assert masks.sum(0).max() <= 1
        found |= bool(masks.any())
    assert found
    assert tracker.object_count == count


@pytest.mark.slow
def test_a_video_gives_the_same_masks_whenever_it_is_tracked(tracker: HQTrack) -> None:
    def masks_of_video() -> list[np.ndarray]:
        tracker.initialize(frame(0), FIRST)
        return [tracker.track(frame(seed)) for seed in range(1, 12)]

    first = masks_of_video()
    tracker.initialize(frame(50, 31, 77), squares(3, 31, 77))
    tracker.track(frame(51, 31, 77))
    again = masks_of_video()
    assert all((a == b).all() for a, b in zip(first, again, strict=True))


def test_a_frame_may_be_overwritten_once_it_was_tracked(tracker: HQTrack) -> None:
    buffer = frame(0)
    tracker.initialize(buffer, FIRST)
    expected = [tracker.track(frame(seed)) for seed in range(1, 6)]
    buffer[:] = frame(0)
    tracker.initialize(buffer, FIRST)
    for seed in range(1, 6):
        buffer[:] = frame(seed)
        assert (tracker.track(buffer) == expected[seed - 1]).all()
        buffer[:] = 0


@pytest.mark.slow
def test_both_paradigms_are_the_same_for_one_object(network: PropagationNetwork) -> None:
    results = []
    for paradigm in ("joint", "separate"):
        tracker = new_tracker(network, paradigm=paradigm)
        tracker.initialize(frame(0), FIRST[:1])
        results.append([tracker.track(frame(seed)) for seed in range(1, 8)])
    assert all((a == b).all() for a, b in zip(*results, strict=True))


def test_objects_are_propagated_apart_in_the_separate_paradigm(network: PropagationNetwork) -> None:
    results = []
    for paradigm in ("joint", "separate"):
        tracker = new_tracker(network, paradigm=paradigm)
        tracker.initialize(frame(0), FIRST)
        results.append(np.stack([tracker.track(frame(seed)) for seed in range(1, 5)]))
    assert (results[0] != results[1]).any()


@pytest.mark.slow
def test_bfloat16_is_near_float32(network: PropagationNetwork) -> None:
    frames = [frame(number) for number in range(4)]
    tracks = []
    for precision in ("float32", "bfloat16"):
        twin = nets.build("deaott")
        twin.load_state_dict(network.state_dict())
        tracker = HQTrack(new_tracker(network).card, twin, device="cpu", precision=precision)
        tracker.initialize(frames[0], FIRST)
        tracks.append(np.stack([tracker.track(image) for image in frames[1:]]))
    assert tracks[0].any()
    assert (tracks[0] == tracks[1]).mean() > 0.9


class TestAddObjects:
    def test_outputs_are_in_the_order_of_arrival(self, tracker: HQTrack) -> None:
        tracker.initialize(frame(0), FIRST)
        tracker.track(frame(1))
        new = squares(12)[9:12]
        masks = tracker.add_objects(frame(1), new)
        assert masks.shape == (5, HEIGHT, WIDTH)
        assert (masks[2:] == new).all()
        assert tracker.track(frame(2)).shape == (5, HEIGHT, WIDTH)

    def test_earlier_objects_keep_their_masks_but_for_contested_pixels(self, tracker: HQTrack) -> None:
        tracker.initialize(frame(0), FIRST)
        before = tracker.track(frame(1))
        assert before.any()
        new = squares(12)[11:]
        after = tracker.add_objects(frame(1), new)
        assert (after[:2] == (before & ~new)).all()

    def test_a_new_mask_does_not_hide_an_earlier_object_wholly(self, tracker: HQTrack) -> None:
        tracker.initialize(frame(0), FIRST)
        everything = np.ones((1, HEIGHT, WIDTH), bool)
        masks = tracker.add_objects(frame(0), everything)
        assert (masks[:2] == FIRST).all()
        assert (masks[2] == ~FIRST.any(0)).all()

    @pytest.mark.slow
    def test_a_frame_that_was_not_tracked_is_the_next_frame(self, network: PropagationNetwork) -> None:
        new = squares(12)[11:]
        given, implied = new_tracker(network), new_tracker(network)
        for tracker in (given, implied):
            tracker.initialize(frame(0), FIRST)
            tracker.track(frame(1))
        given.track(frame(2))
        assert (given.add_objects(frame(2), new) == implied.add_objects(frame(2), new)).all()
        for seed in range(3, 7):
            assert (given.track(frame(seed)) == implied.track(frame(seed))).all()

    @pytest.mark.slow
    def test_all_at_once_on_the_first_frame_is_the_same_for_any_group(
        self, network: PropagationNetwork
    ) -> None:
        """In groups of one, an object's memory does not depend on who else was there first."""
        at_once, later = (new_tracker(network, paradigm="separate") for _ in range(2))
        at_once.initialize(frame(0), squares(3))
        later.initialize(frame(0), squares(3)[:1])
        later.add_objects(frame(0), squares(3)[1:])
        for seed in range(1, 6):
            assert (at_once.track(frame(seed)) == later.track(frame(seed))).all()

    @pytest.mark.parametrize("steps", [(9, 1, 1), (1, 10, 14), (10, 1), (3, 4, 5, 6)])
    def test_objects_may_come_again_and_again(self, tracker: HQTrack, steps: tuple[int, ...]) -> None:
        masks = squares(sum(steps))
        tracker.initialize(frame(0), masks[: steps[0]])
        arrived = steps[0]
        for seed, more in enumerate(steps[1:], start=1):
            tracker.track(frame(seed))
            tracker.add_objects(frame(seed), masks[arrived : arrived + more])
            arrived += more
            assert tracker.object_count == arrived
        for seed in range(20, 24):
            assert tracker.track(frame(seed)).shape == (arrived, HEIGHT, WIDTH)


class TestBadInput:
    def test_nothing_can_be_tracked_before_a_video_started(self, tracker: HQTrack) -> None:
        with pytest.raises(StateError, match="call initialize"):
            tracker.track(frame(0))
        with pytest.raises(StateError, match="call initialize"):
            tracker.add_objects(frame(0), FIRST)
        tracker.initialize(frame(0), FIRST)
        tracker.reset()
        assert tracker.object_count == 0
        with pytest.raises(StateError, match="call initialize"):
            tracker.track(frame(0))

    @pytest.mark.parametrize(
        ("image", "message"),
        [
            (np.zeros((HEIGHT, WIDTH), np.uint8), r"RGB with the shape \(H, W, 3\), not \(64, 96\)"),
            (np.zeros((HEIGHT, WIDTH, 4), np.uint8), r"not \(64, 96, 4\)"),
            (np.zeros((3, HEIGHT, WIDTH), np.uint8), r"not \(3, 64, 96\)"),
            (np.zeros((0, WIDTH, 3), np.uint8), r"not \(0, 96, 3\)"),
            (np.zeros((HEIGHT, WIDTH, 3), np.float32), "uint8 with values 0 to 255, not float32"),
            (np.zeros((HEIGHT, WIDTH, 3), np.uint16), "not uint16"),
            ([[[0, 0, 0]]], "not list"),
            (None, "not NoneType"),
        ],
    )
    def test_images_must_be_rgb_bytes(self, tracker: HQTrack, image: np.ndarray, message: str) -> None:
        with pytest.raises(InputError, match=message):
            tracker.initialize(image, FIRST)
        tracker.initialize(frame(0), FIRST)
        with pytest.raises(InputError, match=message):
            tracker.track(image)
        with pytest.raises(InputError, match=message):
            tracker.add_objects(image, FIRST)

    @pytest.mark.parametrize(
        ("masks", "message"),
        [
            (np.ones((2, HEIGHT, WIDTH + 1), bool), "masks have 97 x 64 pixels, but the frame has 96 x 64"),
            ([np.ones((HEIGHT, WIDTH), bool), np.ones((9, 9), bool)], "differ from each other"),
            (np.ones((HEIGHT, WIDTH), bool), r"masks\[None\]"),
            (np.ones((1, 1, HEIGHT, WIDTH), bool), r"\(N, H, W\)"),
            (np.ones((1, HEIGHT, WIDTH), np.float32), "bool, or integers .* not float32"),
            (np.stack([FIRST[0], np.zeros_like(FIRST[0])]), "mask of object 2 is empty"),
            (np.ones((256, HEIGHT, WIDTH), bool), "256 objects are too many; track at most 255"),
        ],
    )
    def test_masks_must_fit_the_frame(self, tracker: HQTrack, masks: np.ndarray, message: str) -> None:
        with pytest.raises(InputError, match=message):
            tracker.initialize(frame(0), masks)

    def test_overlapping_first_masks_follow_the_rule(self, network: PropagationNetwork) -> None:
        """The later object owns contested pixels: giving it alone must be the same."""
        overlapping = np.zeros((2, HEIGHT, WIDTH), bool)
        overlapping[0, 4:20, 4:20] = True
        overlapping[1, 10:30, 10:30] = True
        apart = overlapping.copy()
        apart[0] &= ~overlapping[1]
        results = []
        for masks in (overlapping, apart):
            tracker = new_tracker(network)
            np.testing.assert_array_equal(tracker.initialize(frame(0), masks), apart)
            results.append([tracker.track(frame(seed)) for seed in range(1, 4)])
        assert all((a == b).all() for a, b in zip(*results, strict=True))

    def test_the_frame_size_cannot_change_in_mid_video(self, tracker: HQTrack) -> None:
        tracker.initialize(frame(0), FIRST)
        expected = tracker.track(frame(1))
        tracker.initialize(frame(0), FIRST)
        with pytest.raises(InputError, match="96 x 40 pixels, but the video started with 96 x 64"):
            tracker.track(frame(1, 40, 96))
        with pytest.raises(InputError, match="96 x 40 pixels"):
            tracker.add_objects(frame(1, 40, 96), squares(1, 40, 96))
        assert (tracker.track(frame(1)) == expected).all()  # the error changed nothing

    def test_a_bad_start_leaves_the_running_video_alone(self, tracker: HQTrack) -> None:
        tracker.initialize(frame(0), FIRST)
        with pytest.raises(InputError):
            tracker.initialize(frame(1), FIRST[:, :9])
        assert tracker.track(frame(1)).shape == FIRST.shape

    def test_more_than_255_objects_cannot_join(self, tracker: HQTrack) -> None:
        tracker.initialize(frame(0), FIRST)
        many = np.zeros((254, HEIGHT, WIDTH), bool)
        many.reshape(254, -1)[:, 100] = True
        with pytest.raises(InputError, match="256 objects are too many"):
            tracker.add_objects(frame(0), many)
        assert tracker.object_count == 2

    def test_an_empty_mask_of_a_new_object_is_named_by_its_place(self, tracker: HQTrack) -> None:
        tracker.initialize(frame(0), FIRST)
        with pytest.raises(InputError, match="mask of object 3 is empty"):
            tracker.add_objects(frame(0), np.zeros((1, HEIGHT, WIDTH), bool))

    @pytest.mark.parametrize("device", ["gpu", "cuda:99", "meta", "cpux"])
    def test_devices_that_are_not_there_are_refused(self, device: str) -> None:
        with pytest.raises(InputError, match="use 'auto' or one of"):
            find_device(device)

    def test_precisions_that_cannot_run_are_refused(self) -> None:
        cpu = torch.device("cpu")
        with pytest.raises(InputError, match="needs a GPU"):
            find_dtype("float16", cpu)
        with pytest.raises(InputError, match="unknown precision 'half'"):
            find_dtype("half", cpu)  # type: ignore[arg-type]
        assert find_dtype("auto", cpu) == processor.fastest_dtype()
        assert find_dtype("bfloat16", cpu) == torch.bfloat16

    def test_unknown_cards_and_settings_are_refused(self) -> None:
        with pytest.raises(CardError, match="no card named"):
            HQTrack.from_card("hqtrack-heavy")
        with pytest.raises(CardError, match="long_term_slot"):
            HQTrack.from_card("hqtrack-light", long_term_slot=3)


class FlippingRefiner:
    """Stands where a refiner stands, and turns masks upside down: no such network fits into a test."""

    def refine(self, image: np.ndarray, masks: torch.Tensor) -> tuple[torch.Tensor, str]:
        assert image.shape[:2] == masks.shape[1:]
        assert masks.dtype == torch.bool
        return masks.flip(1), "report"


@pytest.mark.slow
def test_refined_masks_are_for_output_and_never_for_memory(network: PropagationNetwork) -> None:
    plain = new_tracker(network)
    refining = HQTrack(
        plain.card,
        network,
        refiner=FlippingRefiner(),  # type: ignore[arg-type]
        device="cpu",
        precision="float32",
    )
    for tracker in (plain, refining):
        tracker.initialize(frame(0), FIRST)
    assert refining.refinement_report is None
    found = False
    for seed in range(1, 8):
        masks = plain.track(frame(seed))
        found |= bool(masks.any())
        assert (refining.track(frame(seed)) == masks[:, ::-1]).all()
    assert found
    assert refining.refinement_report == "report"
    assert plain.refinement_report is None
    earlier = plain.track(frame(8))[:, ::-1]
    new = squares(12)[11:]
    joined = refining.add_objects(frame(8), new)  # the next frame: earlier objects are refined there, too
    assert (joined == np.concatenate([earlier & ~new, new])).all()
    assert refining.refinement_report == "report"
    refining.track(frame(9))
    refining.add_reference(frame(10), squares(3))
    assert refining.refinement_report is None
    refining.reset()
    assert refining.refinement_report is None


def test_known_masks_of_a_later_frame_are_what_the_tracker_goes_on_from(tracker: HQTrack) -> None:
    tracker.initialize(frame(0), squares(3))
    known = np.roll(squares(3), 16, axis=2)
    known[1] = False  # not seen in this frame
    tracker.add_reference(frame(9), known)
    joined = np.roll(squares(1), 32, axis=1)
    np.testing.assert_array_equal(tracker.add_objects(frame(9), joined), np.concatenate([known, joined]))
    assert tracker.track(frame(10)).shape == (4, HEIGHT, WIDTH)


def test_known_masks_must_be_of_all_objects(tracker: HQTrack) -> None:
    with pytest.raises(StateError, match="initialize"):
        tracker.add_reference(frame(0), squares(2))
    tracker.initialize(frame(0), squares(2))
    with pytest.raises(InputError, match="one for each object"):
        tracker.add_reference(frame(1), squares(1))


def test_a_card_gives_a_tracker_with_its_settings_overridden(tmp_path: Path) -> None:
    weights = tmp_path / "mine.pth"
    torch.save(formula_state_dict(nets.build("vmos_light").state_dict()), weights)
    tracker = HQTrack.from_card(
        "hqtrack-light",
        weights=weights,
        device="cpu",
        precision="float32",
        long_term_slots=2,
        long_term_gap=3,
        short_term_distance=5,
        max_long_edge=96,
        paradigm="separate",
    )
    assert tracker.card.memory == MemorySettings(long_term_slots=2, long_term_gap=3, short_term_distance=5)
    assert (tracker.card.max_long_edge, tracker.card.paradigm) == (96, "separate")
    assert (tracker.device, tracker.dtype) == (torch.device("cpu"), torch.float32)
    tracker.initialize(frame(0), FIRST)
    assert tracker.track(frame(1)).shape == FIRST.shape


def test_the_package_offers_its_api_and_loads_it_when_used() -> None:
    assert hqtrack.HQTrack is HQTrack
    assert hqtrack.nets.build is nets.build
    assert set(hqtrack.__all__) <= set(dir(hqtrack))
    with pytest.raises(AttributeError, match="no attribute 'trakcer'"):
        _ = hqtrack.trakcer


@pytest.mark.slow
def test_propagation_goes_on_from_refined_masks_where_the_card_says_so(network: PropagationNetwork) -> None:
    plain = new_tracker(network)
    settings = RefinerSettings(kind="light", weights=plain.card.weights, remembered=True)
    remembering = HQTrack(
        replace(plain.card, refiner=settings),
        network,
        refiner=FlippingRefiner(),  # type: ignore[arg-type]
        device="cpu",
        precision="float32",
    )
    for tracker in (plain, remembering):
        tracker.initialize(frame(0), FIRST)
    assert (remembering.track(frame(1)) == plain.track(frame(1))[:, ::-1]).all()
    assert any((remembering.track(frame(seed)) != plain.track(frame(seed))[:, ::-1]).any() for seed in (2, 3))


def test_scores_are_one_for_given_masks_and_zero_for_what_is_not_seen() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 60, (64, 96, 3)).astype(np.uint8)
    image[16:40, 10:34] = (40, 180, 230)
    mask = np.zeros((1, 64, 96), bool)
    mask[0, 16:40, 10:34] = True
    tracker = HQTrack.from_card("vmos-light", device="cpu")
    tracker.initialize(image, mask)
    assert tracker.scores.tolist() == [1]
    found = tracker.track(np.ascontiguousarray(np.roll(image, 1, axis=1)))
    assert found.any()
    assert 0.5 < tracker.scores[0] <= 1
    tracker.add_reference(image, np.zeros_like(mask))
    assert tracker.scores.tolist() == [0]


@pytest.mark.parametrize("paradigm", ["joint", "separate"])
def test_probabilities_come_with_masks_where_they_are_asked_for(
    network: PropagationNetwork, paradigm: Paradigm
) -> None:
    tracker, plain = new_tracker(network, paradigm=paradigm), new_tracker(network, paradigm=paradigm)
    for each in (tracker, plain):
        each.initialize(frame(0), squares(3))
    masks, probabilities = tracker.track(frame(1), return_probabilities=True)
    np.testing.assert_array_equal(masks, plain.track(frame(1)))
    assert probabilities.shape == masks.shape
    assert probabilities.dtype == np.float32
    assert 0 <= probabilities.min() <= probabilities.max() <= 1
    # A pixel is the most probable object's, if that is more probable than background.
    seen = masks.any(0)
    clamped = probabilities.clip(1e-5, 1 - 1e-5)  # as groups are compared
    np.testing.assert_array_equal(clamped.argmax(0)[seen], masks.argmax(0)[seen])
    tracker.remove_objects([1, 2, 3])
    masks, probabilities = tracker.track(frame(2), return_probabilities=True)
    assert masks.shape == probabilities.shape == (0, HEIGHT, WIDTH)
    tracker.initialize(frame(0), np.zeros((0, HEIGHT, WIDTH), bool))  # whose objects come later
    masks, probabilities = tracker.track(frame(1), return_probabilities=True)
    assert masks.shape == probabilities.shape == (0, HEIGHT, WIDTH)


class Scripted:
    """An engine that finds the same object everywhere, and says of each frame how sure it is."""

    def __init__(self, scores: list[float]) -> None:
        self._scores, self.count = scores, 0
        self._labels = np.zeros((0, 0), np.uint8)

    def is_at(self, image: np.ndarray) -> bool:
        return True

    def add(self, image: np.ndarray, labels: np.ndarray, count: int) -> None:
        earlier = self._labels if self.count else np.zeros_like(labels)
        self._labels = np.where(labels > 0, labels + self.count, earlier).astype(np.uint8)
        self.count += count

    def add_reference(self, image: np.ndarray, labels: np.ndarray) -> None:
        self._labels = labels

    def remove(self, objects: Collection[int]) -> None:
        raise NotImplementedError

    def find(self, image: np.ndarray) -> Found:
        sure = self._scores.pop(0)
        labels = torch.from_numpy(self._labels if sure else np.zeros_like(self._labels))
        return Found(labels, None, torch.full((self.count,), sure))

    def remember(self, labels: torch.Tensor) -> None:
        pass


def test_a_score_remembers_doubts_and_forgets_them_where_masks_are_given(network: PropagationNetwork) -> None:
    said = [1.0, 0.5, 1.0, 0.0, 1.0, 0.7, 0.7]
    card = new_tracker(network).card
    tracker = HQTrack(card, lambda: Scripted(said), device="cpu", precision="float32")
    tracker.initialize(frame(0), squares(1))
    scores = []
    for number in range(5):
        tracker.track(frame(number))
        scores.append(float(tracker.scores[0]))
    first, doubtful, after, unseen, found = scores
    assert first == 1
    assert doubtful < 0.8 < after < found < 1, "a doubt is felt at once, and for a while"
    assert unseen == 0
    tracker.add_objects(frame(5), squares(2)[1:])
    tracker.track(frame(5))
    assert tracker.scores[0] < tracker.scores[1], "what has just been given has no doubts to remember"
    tracker.add_reference(frame(6), squares(2))
    assert tracker.scores.tolist() == [1, 1]
    tracker.track(frame(6))
    assert tracker.scores[0] == tracker.scores[1]
