"""From a folder of image files to a saved model and a table of predictions."""

import tempfile
from pathlib import Path

import joblib
import pandas as pd
from PIL import Image
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from galaxy_sklearn import GalaxyClassifier
from galaxy_sklearn.datasets import make_galaxies
from galaxy_sklearn.preprocessing import ImageReader, Resize

folder = Path(tempfile.mkdtemp())
images, labels = make_galaxies(300, image_size=64, random_state=1)
files = [folder / f"galaxy_{number}.jpg" for number in range(len(images))]
for file, image in zip(files, images):
    Image.fromarray(image).save(file, quality=95)

train_files, new_files, train_labels, new_labels = train_test_split(files, labels, random_state=0)
model = make_pipeline(
    ImageReader(cache=folder / "decoded"),
    Resize(32),
    GalaxyClassifier("simple_cnn", max_epochs=8, early_stopping=True, random_state=0),
)
model.fit(train_files, train_labels)
joblib.dump(model, folder / "model.joblib")

model = joblib.load(folder / "model.joblib")
proba = model.predict_proba(new_files)
table = pd.DataFrame(
    {
        "file": [file.name for file in new_files],
        "class": model.classes_[proba.argmax(1)],
        "confidence": proba.max(1).round(3),
        "needs_review": proba.max(1) < 0.6,
    }
)
print(table.head(10).to_string(index=False))
print(f"accuracy on new files: {(table['class'] == new_labels).mean():.3f}")
