"""Galaxies that were never observed: what is learned, what is drawn, what is filled up."""

import pickle

import numpy as np
import pytest
import torch
from generators import flat, state, tiny
from scipy.linalg import sqrtm
from shapes import CLASSES, make_shapes
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import NotFittedError
from sklearn.neighbors import KNeighborsClassifier
from skorch.callbacks import Callback

from galaxy_sklearn import ImageSequence
from galaxy_sklearn._training.adversarial import AdversarialLoss
from galaxy_sklearn.generative import GalaxyGAN, frechet_distance, kernel_distance
from galaxy_sklearn.inspection import GeneratedDisplay
from galaxy_sklearn.networks._d4 import turn
from galaxy_sklearn.networks._dcgan import DCGAN


@pytest.fixture(scope="module")
def shapes():
    return make_shapes(300)


@pytest.fixture(scope="module")
def fitted(shapes):
    return tiny(max_steps=400).fit(*shapes)


# ------------------------------------------------------------------- what is learned


def test_generated_images_are_like_the_real_ones_and_of_their_class(fitted, shapes):
    X, y = shapes
    generated, labels = fitted.sample(300)
    embed = PCA(10).fit(flat(X)).transform
    real, noise = embed(flat(X)), np.random.default_rng(0).integers(0, 256, X.shape)
    distance = frechet_distance(real, embed(flat(generated)))
    assert distance < 0.1 * frechet_distance(real, embed(flat(noise)))
    assert distance < 0.3 * frechet_distance(real, embed(flat(np.repeat(X[:1], 300, axis=0))))
    taken_for = KNeighborsClassifier(5).fit(flat(X), y).predict(flat(generated))
    assert (taken_for == labels).mean() > 0.8


@pytest.mark.parametrize(
    "params",
    [
        {"loss": "hinge"},
        {"augmentation": None, "symmetric": False, "ema_decay": None},
        {"loss": "hinge", "network__normalization": "spectral"},
    ],
)
def test_the_other_ways_learn_too(shapes, params):
    X, y = shapes
    model = tiny(max_steps=400).set_params(**params).fit(X, y)
    taken_for = KNeighborsClassifier(5).fit(flat(X), y).predict(flat(model.sample(y=y)[0]))
    assert (taken_for == y).mean() > 0.75


def test_without_labels_all_images_are_learned_as_one(shapes):
    X, _ = shapes
    model = tiny(max_steps=250).fit(X)
    generated, labels = model.sample(200)
    assert labels is None
    assert not hasattr(model, "classes_")
    embed = PCA(10).fit(flat(X)).transform
    untrained = tiny(max_steps=1).fit(X).sample(200)[0]
    real = embed(flat(X))
    distances = [frechet_distance(real, embed(flat(one))) for one in (generated, untrained)]
    assert distances[0] < 0.3 * distances[1]
    with pytest.raises(ValueError, match="takes no y: it was fitted without labels"):
        model.sample(2, "ring")


def test_the_published_networks_have_their_parameters():
    network = DCGAN(3, 0, (64, 64), width=64)
    counts = [
        sum(p.numel() for p in part.parameters())
        for part in (network.generator, network.discriminator)
    ]
    assert counts == [3_576_704, 2_765_568]


@pytest.mark.parametrize("side", [8, 32, 128])
@pytest.mark.parametrize("normalization", ["batch", "spectral"])
def test_networks_of_other_sizes_fit_together(side, normalization):
    network = DCGAN(5, 3, (9, 9), width=2, input_size=side, normalization=normalization)
    classes = torch.eye(3)
    images = network.generate(torch.randn(3, 100), classes)
    assert images.shape == (3, 5, side, side)
    assert network(images, classes).shape == (3,)


def test_a_class_changes_what_both_networks_say():
    torch.manual_seed(0)
    network = DCGAN(3, 2, (16, 16), width=4, input_size=16).eval()
    codes = torch.randn(1, 100).repeat(2, 1)
    images = network.generate(codes, torch.eye(2))
    assert not torch.allclose(images[0], images[1])
    logits = network(images[:1].repeat(2, 1, 1, 1), torch.eye(2))
    assert logits[0] != logits[1]


def test_each_player_learns_in_its_own_turn_alone(shapes):
    turns = []

    class Spy(Callback):
        def on_grad_computed(self, net, named_parameters, **kwargs):
            turns.append({n.split(".")[1] for n, p in named_parameters if p.grad is not None})

    tiny(max_steps=2, callbacks=[("spy", Spy())]).fit(*shapes)
    assert turns == [{"discriminator"}, {"generator"}] * 2


def test_losses_are_those_published():
    real, generated = torch.tensor([2.0, -1.0]), torch.tensor([0.5, -3.0])
    bce = AdversarialLoss("bce")
    of_real, of_generated = torch.sigmoid(real), torch.sigmoid(generated)
    expected = -of_real.log().mean() - (1 - of_generated).log().mean()
    torch.testing.assert_close(bce.discriminator(real, generated), expected)
    torch.testing.assert_close(bce.generator(generated), -of_generated.log().mean())
    hinge = AdversarialLoss("hinge")
    torch.testing.assert_close(hinge.discriminator(real, generated), torch.tensor(1.0 + 0.75))
    torch.testing.assert_close(hinge.generator(generated), torch.tensor(1.25))


@pytest.mark.parametrize(("shape", "expected"), [((16, 16), 8), ((8, 16), 4)])
def test_real_images_are_turned_as_their_frame_allows(shapes, shape, expected):
    X = shapes[0][:32, : shape[0], : shape[1]]
    net = tiny(network_params={"input_size": 8, "width": 2}).fit(X).net_.resume_training()
    image = torch.rand(3, 8, 8)
    turned = net._turned(image.repeat(400, 1, 1, 1))
    allowed = range(8) if expected == 8 else (0, 2, 4, 6)
    found = {k for k in allowed for one in turned if torch.equal(one, turn(image, k))}
    assert len(found) == expected
    assert all(any(torch.equal(one, turn(image, k)) for k in allowed) for one in turned)


def test_history_tells_what_the_discriminator_recognised(fitted):
    last = fitted.history_[-1]
    assert len(fitted.loss_curve_) == fitted.n_iter_ == len(fitted.history_)
    assert last["discriminator_loss"] > 0
    assert 0 <= last["real_recognised"] <= 1
    assert 0 <= last["generated_recognised"] <= 1


# --------------------------------------------------------------------- what is drawn


def test_samples_have_the_frame_and_pixels_of_the_images(shapes):
    X, y = shapes
    for images, shape in [
        (X, (16, 16, 3)),
        (X[..., 0], (16, 16, 1)),
        (X[:, :10, :14], (10, 14, 3)),
        (X[:, :4, :4].reshape(300, -1), (4, 4, 3)),
    ]:
        generated, labels = tiny().fit(images, y).sample(3)
        assert generated.shape == (3, *shape)
        assert generated.dtype == np.uint8
        assert set(labels) <= set(CLASSES)
    flux = X.astype(np.float32) / 50 - 2
    generated, _ = tiny(max_steps=60).fit(flux, y).sample(20)
    assert generated.dtype == np.float64
    assert flux.min() - 1e-3 <= generated.min() < generated.max() <= flux.max() + 1e-3
    assert not (generated == generated.round()).all()


def test_labels_are_drawn_as_asked(shapes):
    X, y = shapes
    rows = np.r_[np.flatnonzero(y == "ring")[:90], np.flatnonzero(y == "long")[:30]]
    model = tiny().fit(X[rows], y[rows])
    assert model.class_counts_.tolist() == [30, 90]
    labels = model.sample(400)[1]
    assert 0.65 < (labels == "ring").mean() < 0.85
    assert model.sample(3, "long")[1].tolist() == ["long"] * 3
    images, labels = model.sample(y=["long", "ring"])
    assert len(images) == 2
    assert labels.tolist() == ["long", "ring"]
    with pytest.raises(ValueError, match="got the label 'round', which is not among the classes"):
        model.sample(2, "round")
    with pytest.raises(ValueError, match="got the label None, which is not among the classes"):
        model.sample(y=[None, "ring"])
    with pytest.raises(ValueError, match="got the label 3, which is not among the classes"):
        model.sample(y=["long", 3, None, "a"])
    for number in (0, -1, 2.5, True, "3"):
        with pytest.raises(ValueError, match=f"draws one galaxy or more; got {number!r}"):
            model.sample(number, "long")
    with pytest.raises(ValueError, match="draws one galaxy or more; got 0"):
        model.sample(y=[])
    with pytest.raises(NotFittedError):
        tiny().sample(2)


def test_chance_is_not_numpy_s_global_generator(shapes):
    model = tiny(random_state=None).fit(*shapes)
    before = np.random.get_state()[1:3]  # noqa: NPY002
    first, second = (model.sample(4)[0] for _ in range(2))
    assert (first != second).any()
    after = np.random.get_state()[1:3]  # noqa: NPY002
    np.testing.assert_array_equal(before[0], after[0])
    assert before[1] == after[1]


def test_the_seed_decides_what_is_drawn(fitted):
    one, again = fitted.sample(4), fitted.sample(4)
    np.testing.assert_array_equal(one[0], again[0])
    other = fitted.sample(4, random_state=1)
    assert (one[0] != other[0]).any()
    rng = np.random.RandomState(0)
    first, second = (fitted.sample(4, random_state=rng)[0] for _ in range(2))
    assert (first != second).any()


def test_a_galaxy_does_not_depend_on_those_drawn_with_it(fitted):
    y = np.resize(CLASSES, 200)
    many, _ = fitted.sample(y=y)
    few, _ = fitted.sample(y=y[:5])
    assert np.abs(many[:5].astype(int) - few).max() <= 1


@pytest.mark.parametrize("normalization", ["batch", "spectral"])
def test_two_fits_are_alike_and_pickles_draw_the_same(shapes, normalization, tmp_path):
    X, y = shapes
    model = tiny().set_params(network__normalization=normalization)
    one, other = model.fit(X, y), clone(model).fit(X, y)
    for name, tensor in state(one).items():
        assert torch.equal(tensor, state(other)[name]), name
    one.save(tmp_path / "gan.joblib")
    for loaded in (pickle.loads(pickle.dumps(one)), GalaxyGAN.load(tmp_path / "gan.joblib")):
        np.testing.assert_array_equal(loaded.sample(5)[0], one.sample(5)[0])


def test_spectral_layers_have_no_singular_value_over_1():
    torch.manual_seed(0)
    network = DCGAN(3, 2, (16, 16), width=4, input_size=16, normalization="spectral")
    wide = network.discriminator.features[2]
    before = wide.bounded_weight()
    for _ in range(50):
        network(torch.randn(4, 3, 16, 16), torch.eye(2).repeat(2, 1)).sum().backward()
    layers = [m for m in network.discriminator.modules() if hasattr(m, "bounded_weight")]
    assert len(layers) == 4
    for layer in layers:
        largest = torch.linalg.matrix_norm(layer.bounded_weight().flatten(1), 2)
        torch.testing.assert_close(largest, torch.tensor(1.0), atol=0.02, rtol=0)
        assert layer.weight.grad.abs().max() > 0
    assert not torch.allclose(before, wide.bounded_weight(), rtol=0.01)


def test_each_band_keeps_its_own_range(shapes):
    X, y = shapes
    factors = np.array([1.0, 10.0, 1000.0])
    flux = X / 255 * factors
    generated = tiny(max_steps=60).fit(flux, y).sample(200)[0] / factors
    low, high = (X / 255).min((0, 1, 2)), (X / 255).max((0, 1, 2))
    assert (generated.min((0, 1, 2)) >= low - 1e-4).all()
    assert (generated.max((0, 1, 2)) <= high + 1e-4).all()
    spread = generated.std((0, 1, 2))
    assert spread.max() < 2 * spread.min()


def test_low_precision_does_not_make_steps_of_the_sky(shapes):
    X, y = shapes
    flux = X.astype(np.float32)
    flux[:, 8, 8] = 50_000
    generated = tiny(max_steps=10, precision="bf16").fit(flux, y).sample(40)[0]
    assert len(np.unique(generated)) > 0.9 * generated.size


def test_double_precision_is_kept(shapes):
    net = tiny(precision="float64").fit(*shapes).net_
    assert net.module_.network.low.dtype == torch.float64
    logits = net._logits(torch.zeros(2, 3, 16, 16).double(), torch.eye(3)[:2].double())
    assert logits.dtype == torch.float64


def test_the_callers_random_numbers_are_left_alone(shapes):
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    tiny().fit(*shapes).sample(2)
    assert torch.equal(torch.rand(2), expected)


def test_an_interrupted_fit_goes_on(shapes, tmp_path):
    X, y = shapes
    params = {"max_steps": None, "max_epochs": 3}
    expected = tiny(**params).fit(X, y)

    class Stop(Callback):
        def on_epoch_begin(self, net, **kwargs):
            if len(net.history) == 3:
                raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        tiny(**params, checkpoint_dir=tmp_path, callbacks=[Stop()]).fit(X, y)
    resumed = tiny(**params, checkpoint_dir=tmp_path).fit(X, y)
    assert len(list(tmp_path.glob("fit-*.pt"))) == 1
    for name, tensor in state(expected).items():
        assert torch.equal(tensor, state(resumed)[name]), name


def test_warm_start_goes_on_with_the_same_classes(shapes):
    X, y = shapes
    model = tiny(warm_start=True).fit(X, y)
    before = state(model)
    low = model.net_.module_.network.low.clone()
    model.set_params(learning_rate=1e-9, ema_decay=None).fit(X, y)
    for name, tensor in state(model).items():
        if name.endswith("weight"):
            torch.testing.assert_close(tensor, before[name], atol=1e-6, rtol=0)
    assert torch.equal(model.net_.module_.network.low, low)
    with pytest.raises(
        ValueError, match=r"on the classes \['long', 'ring', 'round'\] and got none"
    ):
        model.fit(X)
    with pytest.raises(ValueError, match=r"and got \['long', 'ring'\]"):
        model.fit(X[y != "round"], y[y != "round"])
    nowhere = ImageSequence.from_array(np.full((40, 16, 16, 3), np.nan, np.float32))
    counts = model.class_counts_
    with pytest.raises(ValueError, match="pixels"):
        model.fit(nowhere, y[:40])
    assert model.class_counts_ is counts
    assert model.sample(3)[1] is not None


def test_parameters_of_the_network_are_the_estimator_s(shapes):
    model = tiny().set_params(network__width=2, optimizer__betas=(0.1, 0.9)).fit(*shapes)
    assert model.net_.module_.network.generator.last.in_channels == 2
    assert model.net_.optimizer_.param_groups[-1]["betas"] == (0.1, 0.9)
    assert tiny().fit(*shapes).net_.optimizer_.param_groups[-1]["betas"] == (0.5, 0.999)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"input_size": 48}, "a power of two, 8 pixels or more; got input_size=48"),
        ({"input_size": 4}, "a power of two, 8 pixels or more; got input_size=4"),
        ({"input_size": 16.0}, "a power of two, 8 pixels or more; got input_size=16.0"),
        ({"width": 0}, "width of the network 'dcgan' must be a whole number from 1 on; got 0"),
        ({"code_size": 1.5}, "code_size of the network 'dcgan' must be a whole number from 1"),
        ({"normalization": "layer"}, "must be 'batch' or 'spectral'; got 'layer'"),
        ({"depth": 3}, "network 'dcgan' has no parameter 'depth'; it takes code_size, width"),
    ],
)
def test_wrong_networks_are_named(shapes, params, message):
    with pytest.raises(ValueError, match=message):
        tiny(network_params=params).fit(*shapes)


# ------------------------------------------------------------------------- distances


def test_frechet_distance_is_that_of_the_textbook():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 6)) @ rng.normal(size=(6, 6))
    Y = rng.normal(size=(200, 6)) @ rng.normal(size=(6, 6)) + 1
    for ddof in (0, 1):
        of_x, of_y = np.cov(X.T, ddof=ddof), np.cov(Y.T, ddof=ddof)
        shift = X.mean(0) - Y.mean(0)
        expected = shift @ shift + np.trace(of_x + of_y - 2 * sqrtm(of_x @ of_y).real)
        assert frechet_distance(X, Y, ddof=ddof) == pytest.approx(expected, rel=1e-8)
        assert frechet_distance(Y, X, ddof=ddof) == pytest.approx(expected, rel=1e-8)
    assert frechet_distance(X, X) == pytest.approx(0, abs=1e-8)
    assert frechet_distance(X, 3 * X) == pytest.approx(
        4 * (X.mean(0) @ X.mean(0)) + 4 * np.trace(np.cov(X.T)), rel=1e-8
    )


def test_frechet_distance_of_fewer_images_than_numbers():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(5, 40))
    assert frechet_distance(X, X) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(X, X + 0.5) == pytest.approx(10, rel=1e-6)
    assert frechet_distance(X[:, :1], X[:, :1] + 2) == pytest.approx(4, rel=1e-9)


def test_kernel_distance_is_unbiased_and_that_of_the_textbook():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(7, 3)), rng.normal(size=(5, 3)) + 0.5

    def mean(pairs):
        return np.mean([(a @ b / 3 + 1) ** 3 for a, b in pairs])

    def without_self(A):
        return [(a, b) for i, a in enumerate(A) for j, b in enumerate(A) if i != j]

    expected = mean(without_self(X)) + mean(without_self(Y))
    expected -= 2 * mean([(a, b) for a in X for b in Y])
    assert kernel_distance(X, Y) == pytest.approx(expected)
    same = [kernel_distance(*rng.normal(size=(2, 20, 3))) for _ in range(400)]
    assert abs(np.mean(same)) < 4 * np.std(same) / 20
    assert min(same) < 0


def test_embeddings_that_do_not_belong_together_are_refused():
    X = np.zeros((4, 3))
    for distance in (frechet_distance, kernel_distance):
        with pytest.raises(ValueError, match="differ in length: 3 and 2 numbers"):
            distance(X, X[:, :2])
        with pytest.raises(ValueError, match="minimum of 2 is required"):
            distance(X, X[:1])
        with pytest.raises(ValueError, match="contains NaN"):
            distance(X, np.full((4, 3), np.nan))
    with pytest.raises(ValueError, match="ddof must be 0 or 1; got 2"):
        frechet_distance(X, X, ddof=2)


# -------------------------------------------------------------------------- pictures


def test_real_galaxies_are_drawn_above_generated_ones(fitted, shapes):
    X, y = shapes
    display = GeneratedDisplay.from_estimator(fitted, X, y, n_per_class=4, random_state=0)
    titles = [title.replace("\n", " ") for title, _ in display.rows]
    assert titles == [f"{name}, {kind}" for name in CLASSES for kind in ("real", "generated")]
    assert all(len(images) == 4 for _, images in display.rows)
    real = {image.tobytes() for image in X[y == "long"]}
    assert all(image.tobytes() in real for image, _ in display.rows[0][1])
    assert not any(image.tobytes() in real for image, _ in display.rows[1][1])
    lazy = GeneratedDisplay.from_estimator(
        fitted, ImageSequence.from_array(X), y, n_per_class=4, random_state=0
    )
    np.testing.assert_array_equal(lazy.rows[3][1][2][0], display.rows[3][1][2][0])
    assert len(GeneratedDisplay.from_estimator(fitted, X).rows) == 2
    with pytest.raises(ValueError, match="n_per_class of at least 1; got 0"):
        GeneratedDisplay.from_estimator(fitted, X, n_per_class=0)
    with pytest.raises(ValueError, match="no galaxy that has a label"):
        GeneratedDisplay.from_estimator(fitted, X[:2], [None, None])
    with pytest.raises(ValueError, match="which is not among the classes"):
        GeneratedDisplay.from_estimator(fitted, X[:3], ["a", "b", "c"])
    with pytest.raises(NotFittedError):
        GeneratedDisplay.from_estimator(tiny(), X)
    with pytest.raises(ValueError, match="takes an estimator that has a sample, such as Gal"):
        GeneratedDisplay.from_estimator(DummyClassifier().fit(X, y), X, y)
