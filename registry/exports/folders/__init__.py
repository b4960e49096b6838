"""A version as a folder that other software reads, and a checkpoint of other software as a version.

`pulled` and `card` describe the folder that timm and the Hugging Face layout know. `importing` reads what others saved,
and enters it.
"""
