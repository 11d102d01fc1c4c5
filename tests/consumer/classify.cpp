// All that a program needs to classify texts: classify MODEL_DIRECTORY TEXT
#include <iostream>

#include <qe/text_classifier.h>

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  auto classifier = qe::TextClassifier::open(argv[1]);
  const auto answer = classifier.classify(argv[2]);
  const float probability = answer.probabilities[answer.label];
  std::cout << classifier.labels()[answer.label] << ' ' << probability << '\n';
}
