"""A version as a folder that other software reads, and a checkpoint of other software as a version.

`pulled` and `card` write the folder that timm and the Hugging Face layout know (`examples` are the lines that use it);
`checkpoints` reads what others saved, and `importing` enters it.
"""
