"""Tune a Pipeline with GridSearchCV on generated galaxies, then calibrate it.

The preprocessing and the architecture are searched together: each is a parameter like any other.
"""

from sklearn.calibration import CalibratedClassifierCV
from sklearn.metrics import classification_report
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline

from galaxy_sklearn import GalaxyClassifier
from galaxy_sklearn.datasets import make_galaxies
from galaxy_sklearn.preprocessing import CenterCrop, Resize

images, labels = make_galaxies(500, image_size=64, random_state=0)
X_train, X_test, y_train, y_test = train_test_split(images, labels, stratify=labels, random_state=0)

pipeline = make_pipeline(
    CenterCrop(56), Resize(32), GalaxyClassifier("simple_cnn", max_epochs=8, random_state=0)
)
search = GridSearchCV(
    pipeline,
    {"centercrop__size": [40, 56], "galaxyclassifier__network__width": [8, 16]},
    cv=2,
    error_score="raise",
)
search.fit(X_train, y_train)
print(
    f"best parameters: {search.best_params_}, accuracy in cross-validation {search.best_score_:.3f}"
)

calibrated = CalibratedClassifierCV(search.best_estimator_, cv=2).fit(X_train, y_train)
print(classification_report(y_test, calibrated.predict(X_test), zero_division=0))
