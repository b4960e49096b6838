import subprocess
import sys


def test_the_room_itself_needs_neither_torch_nor_an_image_library() -> None:
    code = "import sys, ratatouille.tasks; print([m for m in ('torch', 'PIL', 'numpy', 'flwr') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
