"""What a prediction needs is estimated before it is computed."""

import pytest
import tensorflow as tf

from wss.inference import memory


def test_the_bytes_of_a_graph_are_those_that_live_at_a_time():
    def function(x):  # 4000 bytes each: x and a; a and b; b and c.
        a = x * 2.0
        b = a + 1.0
        return tf.reduce_sum(tf.exp(b))

    spec = tf.TensorSpec([1000], tf.float32)
    graph = tf.function(function, autograph=False).get_concrete_function(spec).graph
    assert 8000 <= memory._peak(graph) <= 8100


def test_the_estimate_grows_with_the_pixels(trained):
    method = trained.experiment.load(trained.workdir, 'last')
    estimate = memory.network_bytes(method)
    small, large = estimate((1001, 1001)), estimate((4001, 4001))
    assert large / small == pytest.approx(16, rel=0.05)
    assert 50 < small / 1001**2 < 5000
    assert estimate((1, 1)) < estimate((1, 70000)) < estimate((100, 70000))
    # Where images are scaled down first, what the network sees counts.
    needed = memory.Needed(lambda size: 7, lambda size: (1001, 1001), estimate, at_once=2)
    assert needed.about((9000, 9000)) == 7 + 2 * (small + 28 * 1001**2)
    assert needed.about((9000, 9000)) < needed.at_most((9000, 9000))


def test_attention_is_seen_to_grow_with_the_square(trained):
    method = trained.experiment.load(trained.workdir, 'last')

    class Attending:
        network = method.network

        @staticmethod
        def predict_labels(images):
            cells = tf.reshape(images[:, ::8, ::8], [-1, 3])
            return tf.argmax(tf.matmul(cells, cells, transpose_b=True), axis=-1)

    estimate = memory.network_bytes(Attending)
    pixels = 4001**2
    assert estimate((4001, 4001)) > 4 * (pixels / 64) ** 2


def test_an_image_that_does_not_fit_is_refused(monkeypatch):
    monkeypatch.setattr(memory, 'available', lambda: 10**9)
    memory.check((1000, 1000), 1000, memory.Needed(), 'a.png')
    unasked = memory.Needed(network=lambda size: pytest.fail('not needed'))
    memory.check((100, 100), 1000, unasked, 'a.png')
    large = memory.Needed(network=lambda size: 10**9)
    with pytest.raises(memory.TooLargeError, match=r'3000x1000 .* about 1\.1 GB, and 0\.8'):
        memory.check((1000, 3000), 1000, large, 'a.png')
    # Decoding alone, and a long file of a small image.
    with pytest.raises(memory.TooLargeError):
        memory.check((10**5, 10**5), 1000, memory.Needed(), 'a.png')
    with pytest.raises(memory.TooLargeError):
        memory.check((1, 1), 10**10, memory.Needed(), 'a.png')


def test_a_batch_needs_the_memory_of_each_image(monkeypatch):
    monkeypatch.setattr(memory, 'available', lambda: 10**9)
    of_network = {'network': lambda size: 10**8}
    assert memory.fits((1000, 3000), memory.Needed(**of_network))
    assert not memory.fits((1000, 3000), memory.Needed(**of_network, at_once=8))


def test_the_least_limit_counts(monkeypatch, tmp_path):
    assert memory.available() > 10**6
    monkeypatch.setattr(memory, '_system', lambda: [5])
    monkeypatch.setattr(memory, '_control_groups', lambda: iter([3]))
    monkeypatch.setattr(memory, '_process', lambda: iter([]))
    assert memory.available() == 3
    for name in ('_system', '_control_groups'):
        monkeypatch.setattr(memory, name, list)
    assert memory.available() == 2 * 2**30


def test_limits_of_control_groups_are_read(monkeypatch, tmp_path):
    group = tmp_path / 'a' / 'b'
    group.mkdir(parents=True)
    (tmp_path / 'a' / 'memory.max').write_text('1000\n')
    (tmp_path / 'a' / 'memory.current').write_text('900\n')
    (tmp_path / 'a' / 'memory.stat').write_text('anon 1\ninactive_file 300\n')
    (group / 'memory.max').write_text('max\n')
    (group / 'memory.current').write_text('500\n')
    lines = memory._lines
    monkeypatch.setattr(
        memory, '_lines', lambda path: ['0::/a/b'] if 'cgroup' in str(path) else lines(path)
    )
    monkeypatch.setattr(memory, '_GROUPS', tmp_path)
    assert list(memory._control_groups()) == [400]


def test_limits_of_the_process_are_read():
    resource = pytest.importorskip('resource')
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(next(x for x in memory._lines('/proc/self/status') if 'VmSize' in x).split()[1])
    resource.setrlimit(resource.RLIMIT_AS, (used * 1024 + 2**30, before[1]))
    try:
        assert memory.available() <= 2**30
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
